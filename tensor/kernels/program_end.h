#pragma once

namespace rill::gemm {

/// Whether the main thread has returned from `main` or called `std::exit`. From then on oneDNN frees what it
/// computes with, while destructors of static objects and what `atexit` calls may still multiply.
bool is_program_ending() noexcept;

}  // namespace rill::gemm
