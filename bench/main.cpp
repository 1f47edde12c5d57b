// Benchmarks of Rill by Google Benchmark, whose flags this program takes. RILL_THREADS says how many threads.

#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
