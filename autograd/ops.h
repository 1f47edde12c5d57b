#pragma once

// All differentiable operations: free functions in namespace rill. What they return is on the tape when one
// records and an operand is. See autograd/record.h for how to add one.

#include "rill/autograd/ops/activations.h"
#include "rill/autograd/ops/arithmetic.h"
#include "rill/autograd/ops/cast.h"
#include "rill/autograd/ops/compare.h"
#include "rill/autograd/ops/gradient_control.h"
#include "rill/autograd/ops/index.h"
#include "rill/autograd/ops/join.h"
#include "rill/autograd/ops/layer_norm.h"
#include "rill/autograd/ops/matmul.h"
#include "rill/autograd/ops/reduce.h"
#include "rill/autograd/ops/shape.h"
#include "rill/autograd/ops/slice.h"
#include "rill/autograd/ops/softmax.h"
#include "rill/autograd/ops/statistics.h"
#include "rill/autograd/ops/unary.h"
