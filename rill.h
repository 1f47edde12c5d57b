#pragma once

// All of Rill. A program that uses a part of it may include that part's headers alone.

#include "rill/autograd/gradcheck.h"
#include "rill/autograd/ops.h"
#include "rill/autograd/parameter.h"
#include "rill/autograd/record.h"
#include "rill/autograd/tape.h"
#include "rill/optim/adagrad.h"
#include "rill/optim/adam.h"
#include "rill/optim/average.h"
#include "rill/optim/clip.h"
#include "rill/optim/optimizer.h"
#include "rill/optim/rmsprop.h"
#include "rill/optim/schedule.h"
#include "rill/optim/sgd.h"
#include "rill/tensor/create.h"
#include "rill/tensor/error.h"
#include "rill/tensor/random.h"
#include "rill/tensor/tensor.h"
#include "rill/tensor/threads.h"
