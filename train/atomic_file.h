#pragma once

#include <string>
#include <string_view>

namespace rill::train {

/// Replaces the file at `path` by one that holds `content`, so that at every moment the path names either the
/// whole old file or the whole new one: a file beside it is written, synced and renamed. Throws FileError;
/// the old file is then as it was.
void write_atomically(const std::string& path, std::string_view content);

/// Throws the FileError that write_atomically would, as far as it can be known beforehand: for a folder that
/// is not there or cannot be written, or a path that is a folder. What is at the path stays as it is.
void check_writable(const std::string& path);

}  // namespace rill::train
