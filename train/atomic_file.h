#pragma once

#include <string>
#include <string_view>

namespace rill::train {

/// Replaces the file at `path` by one that holds `content`, so that at every moment the path names either the
/// whole old file or the whole new one, whichever processes write it: the last one to finish is seen. A file
/// with a name of its own is written in the same folder, synced and renamed.
///
/// The new file has the mode of the old one and, where the system permits it, its owner. Where the path is a
/// symbolic link, the file that it points to is replaced, or made. Another hard link to the old file keeps
/// the old content. A folder, a pipe, a socket or a device is refused.
///
/// Throws FileError; the old file is then as it was, unless the error says that the new one is in place. What
/// a killed process left behind in the folder is removed.
void write_atomically(const std::string& path, std::string_view content);

/// Throws the FileError that write_atomically would, as far as it can be known beforehand. What is at the
/// path stays as it is.
void check_writable(const std::string& path);

}  // namespace rill::train
