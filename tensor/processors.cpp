#include "rill/tensor/processors.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string_view>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

namespace rill::detail {
namespace {

/// The first 64 KiB of a file; nothing where it cannot be read.
std::string beginning_of(const std::string& path) {
  std::string text(1 << 16, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

/// Cuts off and returns what stands before the first separator.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return field;
}

/// Whether a list such as "cpu,cpuacct" has this entry.
bool has(std::string_view list, std::string_view entry) {
  while (!list.empty())
    if (take(list, ',') == entry) return true;
  return false;
}

/// Microseconds of processor time in so many of real time; nothing where these are not positive numbers.
std::optional<int> whole_processors(std::string_view quota, std::string_view period) {
  const auto number = [](std::string_view text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() ? value : 0;
  };
  const std::int64_t time = number(quota), of = number(period);
  if (time <= 0 || of <= 0) return std::nullopt;
  return static_cast<int>(std::clamp<std::int64_t>(time / of, 1, std::numeric_limits<int>::max()));
}

std::optional<int> quota_of_group(const std::string& folder, bool version_2) {
  if (version_2) {
    const std::string text = beginning_of(folder + "/cpu.max");
    std::string_view rest = text;
    std::string_view line = take(rest, '\n');
    const std::string_view quota = take(line, ' ');
    return whole_processors(quota, line);
  }
  const std::string quota = beginning_of(folder + "/cpu.cfs_quota_us");
  const std::string period = beginning_of(folder + "/cpu.cfs_period_us");
  std::string_view first = quota, second = period;
  return whole_processors(take(first, '\n'), take(second, '\n'));
}

/// Where a tree of control groups is mounted: its group `root` at `point`.
struct Mount {
  std::string root, point;
  bool version_2;
};

/// A path of /proc/self/mountinfo, which writes spaces and the like as three octal digits.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view digits = text.substr(i + 1, 3);
    int code = 0;
    if (text[i] == '\\' && digits.size() == 3 &&
        std::from_chars(digits.data(), digits.data() + 3, code, 8).ptr == digits.data() + 3) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// The mounts that may limit processors, of text in the format of /proc/self/mountinfo.
std::vector<Mount> mounts_in(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    for (int i = 0; i < 3; ++i) take(line, ' ');  // its number, its parent's, its device
    const std::string root = unescape(take(line, ' ')), point = unescape(take(line, ' '));
    const std::size_t options_end = line.find(" - ");
    if (options_end == std::string_view::npos) continue;
    line.remove_prefix(options_end + 3);
    const std::string_view type = take(line, ' ');
    take(line, ' ');  // its source
    if (type == "cgroup2")
      mounts.push_back({root, point, true});
    else if (type == "cgroup" && has(line, "cpu"))
      mounts.push_back({root, point, false});
  }
  return mounts;
}

/// This process's group below a mount, "" where it is the mounted group itself or cannot be seen from there;
/// of text in the format of /proc/self/cgroup.
std::string group_in(std::string_view text, const Mount& mount) {
  while (!text.empty()) {
    std::string_view line = take(text, '\n');
    take(line, ':');  // its number
    const std::string_view controllers = take(line, ':');
    if (!(mount.version_2 ? controllers.empty() : has(controllers, "cpu"))) continue;
    std::string_view root = mount.root;
    if (root == "/") root = "";
    constexpr std::size_t longest = 4096;  // that a path can be
    if (line.size() > longest || !line.starts_with(root)) return "";
    line.remove_prefix(root.size());
    while (line.ends_with('/')) line.remove_suffix(1);
    return line.starts_with('/') && line.find("/..") == std::string_view::npos ? std::string(line) : "";
  }
  return "";
}

}  // namespace

std::optional<int> processor_quota(const std::string& root) {
  const std::string groups = beginning_of(root + "/proc/self/cgroup");
  std::optional<int> least;
  for (const Mount& mount : mounts_in(beginning_of(root + "/proc/self/mountinfo"))) {
    // A group has no more than those that it is in.
    for (std::string group = group_in(groups, mount);; group.resize(group.rfind('/'))) {
      const auto quota = quota_of_group(root + mount.point + group, mount.version_2);
      if (quota) least = std::min(*quota, least.value_or(*quota));
      if (group.empty()) break;
    }
  }
  return least;
}

int usable_processors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
#if defined(__linux__)
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
#endif
  return std::max(1, std::min(count, processor_quota().value_or(count)));
}

}  // namespace rill::detail
