// Times the match of two checkpoints' features: the loop that ours is measured against.
//
// cos(i, j) = sum over tokens of a[t][i] b[t][j] / (|a[i]| |b[j]|)
//
// Tokens are taken in blocks whose rows of B fill 5.5 MB, so that they stay in the cache. In a
// block A is sorted by feature (counting sort), and for every feature that fires its row of sums is
// read from end to end, which is far faster than at random, and added to in token order, in double.
// One thread.
//
// Timed: the sort and the sums ("seconds"); and apart from them the first touch of the matrix, and
// the harvest: best, runner-up and reverse, compared at float32, a tie to the lower index.
//
// Reads   <a>.offsets .ids .values and the same of <b>, as to_raw.py writes them; A is the
//         reference.
// Writes  best, cosine, runner_up, runner_up_cosine, reverse, reverse_cosine: int32 and float32 in
//         turn, d of each; -1 and NaN where there is none. Prints one line of JSON.
// Compile gcc -O3 -march=native -o match match.c -lm
// Example ./match out/bench/a out/bench/b 8192 out/bench/match.bin

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK_BYTES = 5500000, ENTRY_BYTES = 6 };

typedef struct {
  int64_t n_tokens, *offsets;
  uint16_t *ids;
  float *values;
} Rows;

// A block of A by feature: the entries of feature i are starts[i] <= e < starts[i + 1].
typedef struct {
  int64_t *starts;
  int32_t *tokens;
  float *values;
} Columns;

// What was read ahead of its use, kept so that the reading is not left out.
static volatile double seen;

static double now(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *reserve(size_t bytes) {
  void *memory = malloc(bytes ? bytes : 1);
  if (!memory) {
    fprintf(stderr, "error: Cannot reserve %zu bytes\n", bytes);
    exit(1);
  }
  return memory;
}

static void *read_array(const char *prefix, const char *name, size_t *bytes) {
  char path[4096];
  snprintf(path, sizeof path, "%s.%s", prefix, name);
  FILE *file = fopen(path, "rb");
  if (!file) {
    fprintf(stderr, "error: Cannot read %s\n", path);
    exit(1);
  }
  fseek(file, 0, SEEK_END);
  *bytes = ftell(file);
  rewind(file);
  void *array = reserve(*bytes);
  if (fread(array, 1, *bytes, file) != *bytes) exit(1);
  fclose(file);
  return array;
}

static Rows read_rows(const char *prefix) {
  Rows rows;
  size_t bytes;
  rows.ids = read_array(prefix, "ids", &bytes);
  rows.values = read_array(prefix, "values", &bytes);
  rows.offsets = read_array(prefix, "offsets", &bytes);
  rows.n_tokens = bytes / sizeof *rows.offsets - 1;
  return rows;
}

// Sorts the entries of tokens [from, to) by feature; tokens stay in order within a feature.
static void sort_block(const Rows *a, int64_t from, int64_t to, int d, int64_t *next,
                       Columns *out) {
  memset(out->starts, 0, (d + 1) * sizeof *out->starts);
  for (int64_t e = a->offsets[from]; e < a->offsets[to]; e++) out->starts[a->ids[e] + 1]++;
  for (int i = 0; i < d; i++) out->starts[i + 1] += out->starts[i];
  memcpy(next, out->starts, d * sizeof *next);
  for (int64_t t = from; t < to; t++) {
    for (int64_t e = a->offsets[t]; e < a->offsets[t + 1]; e++) {
      int64_t at = next[a->ids[e]]++;
      out->tokens[at] = t;
      out->values[at] = a->values[e];
    }
  }
}

// Adds a block to the matrix of sums.
static void add_block(const Columns *a, const Rows *b, int d, double *sums) {
  for (int i = 0; i < d; i++) {
    if (a->starts[i] == a->starts[i + 1]) continue;
    double *row = sums + (size_t)i * d;
    double sum = 0;
    for (int j = 0; j < d; j += 8) sum += row[j];
    seen = sum;
    for (int64_t e = a->starts[i]; e < a->starts[i + 1]; e++) {
      double value = a->values[e];
      int64_t start = b->offsets[a->tokens[e]], end = b->offsets[a->tokens[e] + 1];
      for (int64_t k = start; k < end; k++) row[b->ids[k]] += value * b->values[k];
    }
  }
}

static void accumulate(const Rows *a, const Rows *b, int d, int64_t block, double *sums) {
  int64_t largest = 0;
  for (int64_t from = 0; from < a->n_tokens; from += block) {
    int64_t to = from + block < a->n_tokens ? from + block : a->n_tokens;
    int64_t nnz = a->offsets[to] - a->offsets[from];
    if (nnz > largest) largest = nnz;
  }
  Columns columns = {
    reserve((d + 1) * sizeof(int64_t)),
    reserve(largest * sizeof(int32_t)),
    reserve(largest * sizeof(float)),
  };
  int64_t *next = reserve(d * sizeof *next);
  for (int64_t from = 0; from < a->n_tokens; from += block) {
    int64_t to = from + block < a->n_tokens ? from + block : a->n_tokens;
    sort_block(a, from, to, d, next, &columns);
    add_block(&columns, b, d, sums);
  }
}

static double *norms(const Rows *rows, int d) {
  double *out = reserve(d * sizeof *out);
  memset(out, 0, d * sizeof *out);
  for (int64_t e = 0; e < rows->offsets[rows->n_tokens]; e++) {
    out[rows->ids[e]] += (double)rows->values[e] * rows->values[e];
  }
  for (int i = 0; i < d; i++) out[i] = sqrt(out[i]);
  return out;
}

typedef struct {
  int32_t *best, *runner_up, *reverse;
  float *cosine, *runner_up_cosine, *reverse_cosine;
} Match;

static Match no_match(int d) {
  int32_t *ids[3];
  float *cosines[3];
  for (int k = 0; k < 3; k++) {
    ids[k] = reserve(d * sizeof **ids);
    cosines[k] = reserve(d * sizeof **cosines);
    for (int i = 0; i < d; i++) ids[k][i] = -1, cosines[k][i] = NAN;
  }
  return (Match){ids[0], ids[1], ids[2], cosines[0], cosines[1], cosines[2]};
}

static void harvest(const double *sums, const double *norm_a, const double *norm_b, int d,
                    Match m) {
  for (int i = 0; i < d; i++) {
    int32_t best = -1, second = -1;
    float first = 0, next = 0;
    for (int j = 0; j < d; j++) {
      double sum = sums[(size_t)i * d + j];
      if (!(sum > 0)) continue;
      float cosine = sum / (norm_a[i] * norm_b[j]);
      if (cosine > first) {
        second = best, next = first;
        best = j, first = cosine;
      } else if (cosine > next) {
        second = j, next = cosine;
      }
      if (m.reverse[j] < 0 || cosine > m.reverse_cosine[j]) {
        m.reverse[j] = i, m.reverse_cosine[j] = cosine;
      }
    }
    if (best >= 0) m.best[i] = best, m.cosine[i] = first;
    if (second >= 0) m.runner_up[i] = second, m.runner_up_cosine[i] = next;
  }
}

static void write_match(const char *path, Match m, int d) {
  FILE *file = fopen(path, "wb");
  if (!file) exit(1);
  void *arrays[] = {m.best, m.cosine, m.runner_up, m.runner_up_cosine, m.reverse, m.reverse_cosine};
  for (int k = 0; k < 6; k++) fwrite(arrays[k], 4, d, file);
  fclose(file);
}

// The most memory that this process has held (getrusage may report that of its parent).
static double peak_mb(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (file && fgets(line, sizeof line, file)) sscanf(line, "VmHWM: %lf", &kib);
  if (file) fclose(file);
  return kib * 1024 / 1e6;
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: match A B D OUT\n");
    return 2;
  }
  Rows a = read_rows(argv[1]), b = read_rows(argv[2]);
  int d = atoi(argv[3]);
  if (a.n_tokens != b.n_tokens) {
    fprintf(stderr, "error: Cannot match files of different numbers of tokens\n");
    return 1;
  }
  double mean = (double)b.offsets[b.n_tokens] / b.n_tokens;
  int64_t block = fmax(1024, fmin(65536, BLOCK_BYTES / (ENTRY_BYTES * fmax(mean, 1))));

  double t0 = now(CLOCK_MONOTONIC);
  double *sums = reserve((size_t)d * d * sizeof *sums);
  memset(sums, 0, (size_t)d * d * sizeof *sums);
  double t1 = now(CLOCK_MONOTONIC), cpu1 = now(CLOCK_PROCESS_CPUTIME_ID);
  accumulate(&a, &b, d, block, sums);
  double t2 = now(CLOCK_MONOTONIC), cpu2 = now(CLOCK_PROCESS_CPUTIME_ID);
  Match match = no_match(d);
  harvest(sums, norms(&a, d), norms(&b, d), d, match);
  double t3 = now(CLOCK_MONOTONIC);
  write_match(argv[4], match, d);

  int64_t checksum = 0, products = 0;
  for (int i = 0; i < d; i++) checksum += (int64_t)(i + 1) * (match.best[i] + 1);
  for (int64_t t = 0; t < a.n_tokens; t++) {
    products += (a.offsets[t + 1] - a.offsets[t]) * (b.offsets[t + 1] - b.offsets[t]);
  }
  printf("{\"name\": \"c\", \"seconds\": %.4f, \"cpu_seconds\": %.4f, \"touch_seconds\": %.4f, "
         "\"harvest_seconds\": %.4f, \"peak_mb\": %.1f, \"tokens\": %ld, \"block_tokens\": %ld, "
         "\"products\": %ld, \"checksum\": %ld, \"versions\": {\"gcc\": \"%s\"}}\n",
         t2 - t1, cpu2 - cpu1, t1 - t0, t3 - t2, peak_mb(), (long)a.n_tokens, (long)block,
         (long)products, (long)checksum, __VERSION__);
}
