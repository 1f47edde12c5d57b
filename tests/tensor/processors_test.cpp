#include "rill/tensor/processors.h"

#include <rapidcheck.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>

#include "tests/catch.h"

#if defined(__linux__)
#include <sched.h>
#endif

using rill::detail::processor_quota;
namespace fs = std::filesystem;

namespace {

/// The quota where these files, and no others, stand below the root.
std::optional<int> quota_of(const std::map<std::string, std::string>& files) {
  const fs::path root = fs::temp_directory_path() / ("rill-processors-" + std::to_string(::getpid()));
  for (const auto& [name, text] : files) {
    fs::create_directories((root / name).parent_path());
    std::ofstream(root / name, std::ios::binary) << text;
  }
  const auto quota = processor_quota(root.string());
  fs::remove_all(root);
  return quota;
}

const std::string mounts_2 =
    "22 28 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n"
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid,nodev shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

// Of version 2, with this in the group's cpu.max.
std::optional<int> quota_of(const std::string& cpu_max) {
  return quota_of({{"proc/self/cgroup", "0::/box\n"},
                   {"proc/self/mountinfo", mounts_2},
                   {"sys/fs/cgroup/box/cpu.max", cpu_max}});
}

// Of version 1, as a container sees it: the mount shows the group itself.
std::optional<int> quota_of(const std::string& quota_us, const std::string& period_us) {
  return quota_of(
      {{"proc/self/cgroup",
        "11:memory:/docker/5f\n4:cpu,cpuacct:/docker/5f\n1:name=systemd:/docker/5f\n0::/\n"},
       {"proc/self/mountinfo",
        "40 30 0:28 /docker/5f /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"
        "41 30 0:29 /docker/5f /sys/fs/cgroup/cpu,cpuacct ro master:12 - cgroup cgroup rw,cpu,cpuacct\n"},
       {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", quota_us},
       {"sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", period_us}});
}

}  // namespace

TEST_CASE("a quota gives whole processors, at least one", "[tensor][threads][quota]") {
  CHECK(quota_of("400000 100000\n") == 4);
  CHECK(quota_of("250000 100000\n") == 2);
  CHECK(quota_of("150000 100000\n") == 1);
  CHECK(quota_of("50000 100000\n") == 1);
  CHECK(quota_of("30000 10000\n") == 3);
  CHECK(quota_of("max 100000\n") == std::nullopt);
  CHECK(quota_of("200000\n", "100000\n") == 2);
  CHECK(quota_of("50000\n", "100000\n") == 1);
  CHECK(quota_of("-1\n", "100000\n") == std::nullopt);
}

TEST_CASE("no quota is read where none stands", "[tensor][threads][quota]") {
  for (const char* text : {"", "\n", " ", "100000 ", "0 100000", "-5 100000", "100000 0", "100000 -1",
                           "1e5 100000", "lots 100000", "100000 100000 100000", "99999999999999999999 1"}) {
    CAPTURE(text);
    CHECK(quota_of(text) == std::nullopt);
    CHECK(quota_of(text, text) == std::nullopt);
  }
  CHECK(quota_of("100000") == std::nullopt);
  CHECK(quota_of("9223372036854775807 1") == std::numeric_limits<int>::max());
  CHECK(quota_of(std::map<std::string, std::string>()) == std::nullopt);
  CHECK(quota_of({{"proc/self/cgroup", "0::/box\n"}, {"proc/self/mountinfo", mounts_2}}) == std::nullopt);
}

TEST_CASE("a group has no more than those that it is in", "[tensor][threads][quota]") {
  std::map<std::string, std::string> files{{"proc/self/cgroup", "0::/a/b/c\n"},
                                           {"proc/self/mountinfo", mounts_2},
                                           {"sys/fs/cgroup/a/cpu.max", "300000 100000\n"},
                                           {"sys/fs/cgroup/a/b/cpu.max", "max 100000\n"},
                                           {"sys/fs/cgroup/a/b/c/cpu.max", "800000 100000\n"},
                                           {"sys/fs/cgroup/a/b/other/cpu.max", "100000 100000\n"}};
  CHECK(quota_of(files) == 3);
  files["sys/fs/cgroup/a/b/c/cpu.max"] = "200000 100000\n";
  CHECK(quota_of(files) == 2);
  files["sys/fs/cgroup/cpu.max"] = "100000 100000\n";
  CHECK(quota_of(files) == 1);
}

TEST_CASE("the group is found wherever its tree is mounted", "[tensor][threads][quota]") {
  // Part of the tree, at a path with a space in it.
  CHECK(quota_of({{"proc/self/cgroup", "0::/pod/box\n"},
                  {"proc/self/mountinfo", "30 22 0:26 /pod /my\\040groups rw - cgroup2 none rw\n"},
                  {"my groups/box/cpu.max", "200000 100000\n"}}) == 2);
  // A group that the mount does not show: only what it is mounted at is known.
  for (const char* group : {"/elsewhere", "/podium", "/../pod", "/pod/../box"})
    CHECK(quota_of({{"proc/self/cgroup", std::string("0::") + group + "\n"},
                    {"proc/self/mountinfo", "30 22 0:26 /pod /groups rw - cgroup2 none rw\n"},
                    {"groups/cpu.max", "200000 100000\n"},
                    {"groups/ium/cpu.max", "100000 100000\n"}}) == 2);
  // Both versions at once: the processors belong to the first.
  CHECK(quota_of({{"proc/self/cgroup", "3:cpuset:/s\n2:cpu:/box\n0::/box\n"},
                  {"proc/self/mountinfo",
                   "31 30 0:27 / /groups/cpuset rw - cgroup cgroup rw,cpuset\n"
                   "32 30 0:28 / /groups/cpu rw - cgroup cgroup rw,cpu\n"
                   "33 30 0:29 / /groups/unified rw - cgroup2 cgroup2 rw\n"},
                  {"groups/cpuset/s/cpu.cfs_quota_us", "100000\n"},
                  {"groups/cpuset/s/cpu.cfs_period_us", "100000\n"},
                  {"groups/cpu/box/cpu.cfs_quota_us", "300000\n"},
                  {"groups/cpu/box/cpu.cfs_period_us", "100000\n"}}) == 3);
}

TEST_CASE("no text in these files does harm", "[tensor][threads][quota]") {
  CHECK(rc::check([](const std::string& groups, const std::string& mounts) {
    const std::string cpu_max =
        *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123456789 -\n")));
    const auto quota = quota_of({{"proc/self/cgroup", *rc::gen::element(groups, "0::/" + groups)},
                                 {"proc/self/mountinfo", mounts_2 + mounts},
                                 {"sys/fs/cgroup/cpu.max", cpu_max}});
    RC_ASSERT(!quota || *quota >= 1);
  }));
}

#if defined(__linux__)
TEST_CASE("a process uses the processors that it may run on", "[tensor][threads][quota]") {
  int usable = 0;
  std::thread([&] {
    cpu_set_t one;
    ::sched_getaffinity(0, sizeof one, &one);
    for (int cpu = 0, found = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &one) && ++found > 1) CPU_CLR(cpu, &one);
    ::sched_setaffinity(0, sizeof one, &one);
    usable = rill::detail::usable_processors();
  }).join();
  CHECK(usable == 1);
}
#endif
