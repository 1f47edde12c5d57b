#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rill::data::detail {

/// Whether the bytes begin as a gzip file does.
bool is_gzip(const std::vector<std::uint8_t>& bytes);

/// What a gzip file of one or more members holds. Throws FileError, naming `path`, when it is damaged, ends
/// too early or is followed by other bytes.
std::vector<std::uint8_t> gunzip(const std::vector<std::uint8_t>& bytes, const std::string& path);

}  // namespace rill::data::detail
