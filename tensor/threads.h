#pragma once

#include <cstdint>
#include <functional>

namespace rill {

/// The number of threads that kernels use together, the calling one included. The default is the number of processors
/// that this process may run on, or the environment variable RILL_THREADS. Throws ValueError below 1. The result of
/// every kernel is the same to the last bit with any number. Not to be called while a kernel runs.
void set_threads(int count);
int threads();

namespace detail {

/// Calls body(part) for each part in [0, parts), spread over the pool; returns when all are done. The calling thread
/// works too. Nested calls, and calls while another thread has the pool, run where they are. The first exception that
/// a part throws is thrown here. How work is cut into parts must not depend on the number of threads.
void parallel_parts(std::int64_t parts, const std::function<void(std::int64_t)>& body);

/// Calls body(begin, end) over [0, n) in parts of about `grain` indices.
void parallel_for(std::int64_t n, std::int64_t grain, const std::function<void(std::int64_t, std::int64_t)>& body);

}  // namespace detail
}  // namespace rill
