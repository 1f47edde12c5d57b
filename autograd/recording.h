#pragma once

// What the tapes of one thread share: one list of values and operations in order of execution, which is
// already a topological order. A Tape is a bookmark in it.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "rill/autograd/parameter.h"
#include "rill/autograd/place.h"
#include "rill/autograd/record.h"

namespace rill::detail {

/// Memory for rules, freed all at once from a mark on. Its blocks are kept for the next recording.
class Arena {
 public:
  struct Mark {
    std::size_t block = 0, used = 0;
  };
  void* allocate(std::size_t size, std::size_t alignment);
  Mark mark() const { return at_; }
  void rewind(Mark mark) { at_ = mark; }

 private:
  struct Block {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size;
  };
  std::vector<Block> blocks_;
  Mark at_;
};

/// A tape of a recording.
struct OpenTape {
  std::size_t first_op;
  std::atomic<bool> ended{false};
  explicit OpenTape(std::size_t first) : first_op(first) {}
};

/// The values that parameters had in a call of checkpoint()'s function, for when it is called again. A
/// parameter is found where it was, whatever was assigned to it since, or else by its id, wherever it was
/// moved to.
class ParameterValues {
 public:
  bool is_replay = false;            ///< whether they are given instead of noted
  std::uint64_t first_new_id = 0;    ///< of parameters that the function makes itself when it is called again
  ParameterValues* outer = nullptr;  ///< of the call around this one

  /// The value to give, or null. Throws ValueError for a parameter that the first call did not use.
  const Tensor* find(const Parameter& parameter) const;
  /// Notes a value, here and around.
  void note(const Parameter& parameter, const Tensor& value);
  /// Sets a value that was noted.
  void replace(std::uint64_t id, const Tensor& value);

 private:
  std::unordered_map<std::uint64_t, Tensor> values_;  // by id, on the tape where trainable
  std::unordered_map<const Parameter*, std::uint64_t> ids_;
};

class Recording {
 public:
  struct Value {
    Shape shape;
    DType dtype;
    std::uint32_t serial;  ///< tells it from a value whose place it took over
    std::int64_t op;       ///< the operation that made it; -1 for a source
  };
  struct Edge {
    std::uint32_t value;
    RuleBase* rule;
  };
  static constexpr std::uint32_t no_value = ~std::uint32_t{0};

  struct Op {
    const char* name;
    std::uint32_t first_edge, edges;
    std::uint32_t first_output, outputs;
    std::uint32_t place;  ///< among `places`
    RuleBase* joint;
    Tensor output;  ///< kept only where a rule asks for it
  };
  struct Leaf {
    Tensor value;
    std::uint32_t place;
  };

  ~Recording() { rewind(0, 0, {}); }

  std::uint64_t id = 0;
  /// Those that this thread does not know to have ended, outermost first. They may end in any order, and on
  /// another thread, which changes nothing here but `open`.
  std::vector<std::shared_ptr<OpenTape>> tapes;
  std::atomic<int> open{0};  ///< how many of them have not ended
  std::atomic<int> paused{0};
  std::size_t innermost_op = 0;  ///< the first that the innermost tape may record
  std::uint32_t next_serial = 0;
  std::vector<Value> values;
  std::vector<Edge> edges;
  std::vector<Op> ops;
  std::vector<Place> places;
  const Place* last_place = nullptr;  ///< whose copy is the last of `places`
  struct Checking {
    const OpenTape* by = nullptr;  ///< the tape that checks values
    ParameterNames names;
    std::vector<Tensor> inputs;  ///< of the operation that is being recorded
  } checking;
  std::unordered_map<std::uint64_t, Leaf> parameters;  ///< by Parameter::id()
  std::vector<std::uint64_t> parameter_order;
  bool met_frozen = false;  ///< whether a parameter that is not trainable was used
  ParameterValues* parameter_values = nullptr;
  Arena arena;

  /// The place of x among the values, or no_value.
  std::uint32_t place(const Tensor& x) const noexcept;
  /// x as a new value made by `op`.
  Tensor append(Tensor x, std::int64_t op);
  std::shared_ptr<OpenTape> begin_tape();
  /// Forgets the tapes that have ended, and all that was recorded when none is left.
  void drop_ended_tapes();
  /// Sets `current`.
  void update_current();
  void check_finite(const OpenTape& by, const ParameterNames& names);
  /// The name of a parameter's value, or nothing.
  std::string name_of(std::uint32_t value, const ParameterNames& names) const;
  /// Drops what an operation keeps for its gradients.
  void drop_rules(std::size_t op) noexcept;
  /// Drops all operations from `op` and all values from `value` on.
  void rewind(std::size_t op, std::size_t value, Arena::Mark mark) noexcept;
};

/// What nn::TrainingMode sets; here because checkpoint() runs its function again under the mode of its call.
extern thread_local constinit std::optional<bool> training_mode;
/// What the innermost OnParameterUse calls, or null; here for the same reason.
extern thread_local constinit const OnParameterUse::Function* on_parameter_use;

/// This thread's recording, whether or not it takes operations now. The tapes keep it too.
const std::shared_ptr<Recording>& shared_recording();
inline Recording& this_thread() { return *shared_recording(); }
/// The same as long as it takes operations, else null.
Recording* active();

/// The reverse sweep: the gradients of the targets with respect to the values at `sources`, from operations
/// at or after `first_op`. One that is the last of these operations, and is not recorded itself, may write
/// over values and drops the rules as it goes. The results hold no value where nothing flows.
std::vector<Tensor> sweep(Recording& recording, std::size_t first_op, std::span<const Target> targets,
                          const std::vector<std::uint32_t>& sources, bool is_last);

}  // namespace rill::detail
