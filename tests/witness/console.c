/* A console in C that speaks the protocols of the SDKs' consoles, written apart from the simulator.
 *
 * It is a second witness: a misunderstanding shared by the gateway and the simulator shows here. It knows no model.
 * Its answer to a line is what it holds: the number of lines in this chat and the lines themselves, reasoning first.
 * A line can hold a script that says what the answer is, so that any client can be an attacker (see "Scripts").
 * It prints through C stdio and flushes nothing by itself, so that it needs `stdbuf` as the real console does.
 *
 * Its own options, beside those of the real console:
 *   --profile NAME    xlm_demo, oellm_run, oellm_multichat, hobot_xlm, vlm, llm; default: by the program's name.
 *                     It chooses the defaults of the options below
 *   --banner multi|single|vlm|none   the greeting's words
 *   --rate N          tokens a second (0: as fast as it can)        --load-ms N   time before the banner
 *   --step N          tokens that come at once, as in speculative decoding; the rate stays that of tokens
 *   --work N          ms of processor time that each step takes
 *   --silent burn|sleep   what a step without bytes does with the processor
 *   --history keep|none   --reset works|broken|question (it is a line like another)
 *   --echo yes|line|no    the rendered template, the bare line, or nothing before the answer
 *   --quirk none|trim|nfc|cut|escapes|blank   what an echo changes of the line: outer blanks go, e and U+0301 become
 *                     one character, it ends at 10238 bytes, backslash and n become a line break, a blank is added
 *   --stats line|colour|performance|tps|none          --end whole|chain   the end in two writes, or as `<<` would
 *   --buffer N        stdout is buffered in blocks of N bytes whatever `stdbuf` says, and flushed at each prompt
 *   --ahead yes|no    the next line is read while an answer is given; a `reset` is then answered at once
 *   --limit N         bytes that one read of a line takes at most, with the newline (0: no limit)
 *   --leak TEXT       printed behind the answer
 *   --cut N           bytes of a token at most, wherever a character ends (0: whole words)
 *   --noise N         a library's log line after every N tokens, on standard output
 *   --heartbeat N     a thread of its own wakes every N ms, from the load on
 *   --fault KIND:WORD a line that holds WORD brings it on: segv, abort, exit, run-error, silent, endless
 *   --image-step all|marker|prompt   what `vlm` prints after the line of an image, before its prompt
 *   --trace FILE      a line for each event: seconds of the monotonic clock, what happened, the line it was about
 *
 * Memory: a line that holds "secret word" tells words (capitals and digits, at least six), or asks for those told
 *   ("list every", or a question), or does both.
 *   --examinee recalls|refuses|ignores|rambles   how it answers     --think N   tokens of reasoning before that answer
 *   --recall P        chance that it names a word that it holds     --seed N    of that chance
 *
 * Scripts: `{{name:value}}` anywhere in a line, what stands before the last `{{new}}` left out. Values are
 * percent-encoded where a byte could be taken for something else.
 *   say:TEXT          say TEXT as tokens       think:TEXT  the same, and the end of the reasoning
 *   burst:TEXT        TEXT in one write        held  the lines of this chat       count  how many they are
 *   size:N            bytes of a token, a whole word with 0       rate:N  step:N  as the options, for this answer
 *   pause:S           S seconds at rest        work:S  S seconds of processor time
 *   silent:N          N steps without bytes    stop    the process stops itself until it gets SIGCONT
 *   fill:N            say `x` until N bytes are left in the block of --buffer
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PROMPT "[User] <<< "
#define MAX_LINES 4096
#define LONGEST_ECHO 10238

static const char *program, *profile = "", *banner = "", *hbm_path = "", *tokenizer_dir = "", *template_path = "";
static const char *history = "keep", *reset_kind = "works", *echo = "yes", *quirk = "none", *stats = "line", *leak = "",
                  *image_step = "all";
static const char *end_kind = "whole", *ahead = "no", *silent = "burn", *examinee = "recalls", *trace_path = "";
static const char *fault_kind = "", *fault_word = NULL;
static double model_type = 3, base_rate = 0, load_ms = 0, cut = 0, noise = 0, base_step = 1, work_ms = 0, buffer = 0;
static double heartbeat_ms = 0;
static double limit = 0, think = 0, recall = 1, seed = 1;

static char *held[MAX_LINES], *queued[MAX_LINES];
static int lines_held = 0, lines_queued = 0, pieces = 0;
static bool forget_next = false, answering = false;
static double rate = 0, due = 0;
static int step = 1, in_step = 0, size_of_token = 0;
static size_t printed = 0; /* bytes since the last flush */
static FILE *trace_file = NULL;

static bool is(const char *value, const char *word) { return strcmp(value, word) == 0; }

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void trace(const char *event, const char *line) {
    if (!trace_file) return;
    fprintf(trace_file, "%.6f %s ", now(), event);
    for (int at = 0; line[at] && at < 300; at++) fputc((unsigned char)line[at] < ' ' ? ' ' : line[at], trace_file);
    fputc('\n', trace_file);
    fflush(trace_file);
}

/* Output */

static void put(const char *text, size_t size) {
    fwrite(text, 1, size, stdout);
    printed += size;
}

__attribute__((format(printf, 1, 2))) static void print(const char *format, ...) {
    char *text = NULL;
    va_list values;
    va_start(values, format);
    int size = vasprintf(&text, format, values);
    va_end(values);
    if (size > 0) put(text, (size_t)size);
    free(text);
}

static void prompt(void) {
    print(PROMPT);
    if (buffer > 0) {
        fflush(stdout);
        printed = 0;
    }
}

/* The end of an answer: in one write, or in as many as a chain of `<<` makes: words and figures apart. */
static void print_end(const char *text) {
    static const char figures[] = "0123456789.";
    while (*text) {
        size_t size = is(end_kind, "chain") ? strspn(text, figures) : strlen(text);
        put(text, size ? size : (size = strcspn(text, figures)));
        text += size;
    }
}

static void library(FILE *where, const char *text) {
    struct timespec at;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &at);
    strftime(stamp, sizeof stamp, "[%m-%d][%H:%M:%S", localtime(&at.tv_sec));
    fprintf(where, "[E][%d]%s:%03ld][engine.cpp:61][%s][DNN] %s\n", (int)getpid(), stamp, at.tv_nsec / 1000000, program,
            text);
}

/* Input: read by hand, so that it can be read while an answer is given */

static char *input = NULL;
static size_t input_size = 0, input_room = 0;
static bool at_end = false;

/* Read what is there, after waiting for it up to `seconds`. */
static void read_input(double seconds) {
    struct pollfd in = {0, POLLIN, 0};
    struct timespec most = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (at_end || ppoll(&in, 1, seconds < 0 ? NULL : &most, NULL) <= 0) return;
    if (input_room < input_size + 4096) input = realloc(input, input_room = input_size + 65536);
    ssize_t got = read(0, input + input_size, 4096);
    if (got > 0) input_size += (size_t)got;
    else if (got == 0 || errno != EINTR) at_end = true;
}

/* The next line without its newline, as `fgets` or `getline` would give it; NULL when none is whole. */
static char *take_line(void) {
    char *end = memchr(input, '\n', input_size);
    size_t used = end ? (size_t)(end - input) + 1 : at_end ? input_size : 0;
    if (limit > 0 && (used > (size_t)limit || (!used && input_size >= (size_t)limit))) used = (size_t)limit;
    if (!used) return NULL;
    char *line = strndup(input, used);
    line[strcspn(line, "\n")] = 0;
    memmove(input, input + used, input_size -= used);
    return line;
}

static bool command(const char *line);

/* With --ahead: take what has come while an answer is given. Commands are obeyed at once. */
static void read_ahead(double seconds) {
    char *line;
    read_input(seconds);
    while (lines_queued < MAX_LINES && input_size && (line = take_line())) {
        trace("read", line);
        if (command(line)) free(line);
        else queued[lines_queued++] = line;
    }
}

static bool reads_ahead(void) { return answering && is(ahead, "yes") && !at_end; }

static void nap_until(double moment) {
    for (double left = moment - now(); left > 0; left = moment - now()) {
        if (reads_ahead()) {
            read_ahead(left);
        } else {
            struct timespec most = {(time_t)left, (long)((left - (double)(time_t)left) * 1e9)};
            nanosleep(&most, NULL);
        }
    }
}

static void nap(double seconds) { nap_until(now() + seconds); }

static void burn_until(double moment) {
    while (now() < moment) {
        if (reads_ahead()) read_ahead(0);
        for (volatile int at = 0; at < 20000; at++) {}
    }
}

/* Options */

static bool single_turn(void) { return is(profile, "oellm_run"); }

static int refuse(const char *option) {
    if (single_turn())
        fprintf(stderr, "Error: unknown argument: %s\n", option);
    else
        fprintf(stderr, "unknown option: %s\n", option);
    printf("Usage: ./%s --hbm_path <path> --tokenizer_dir <dir> --template_path <path> --model_type <n>\n", program);
    return 1;
}

/* The configuration file of oellm_multichat, llm and vlm: only what a console without a model needs of it. */
static void configure(const char *path) {
    static char text[65536], model[4096];
    FILE *file = fopen(path, "r");
    if (!file) return;
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    const char *named = strstr(text, "\"hbm_path\""), *turns = strstr(text, "\"enable_multi_turn\"");
    hbm_path = named && sscanf(named, "\"hbm_path\" : \"%4095[^\"]\"", model) == 1 ? model : path;
    if (turns && sscanf(turns, "\"enable_multi_turn\" : %15[a-z]", text) == 1)
        history = is(text, "false") ? "none" : "keep";
}

static bool take(const char *name, char *value) {
    struct { const char *name; const char **text; double *number; } known[] = {
        {"--hbm_path", &hbm_path, NULL},   {"--tokenizer_dir", &tokenizer_dir, NULL},
        {"--template_path", &template_path, NULL}, {"--model_type", NULL, &model_type},
        {"--image-step", &image_step, NULL},
        {"--history", &history, NULL},     {"--reset", &reset_kind, NULL},
        {"--echo", &echo, NULL},           {"--quirk", &quirk, NULL},
        {"--stats", &stats, NULL},         {"--end", &end_kind, NULL},
        {"--leak", &leak, NULL},           {"--rate", NULL, &base_rate},
        {"--load-ms", NULL, &load_ms},     {"--cut", NULL, &cut},
        {"--noise", NULL, &noise},         {"--step", NULL, &base_step},
        {"--heartbeat", NULL, &heartbeat_ms},
        {"--work", NULL, &work_ms},        {"--silent", &silent, NULL},
        {"--buffer", NULL, &buffer},       {"--ahead", &ahead, NULL},
        {"--limit", NULL, &limit},         {"--banner", &banner, NULL},
        {"--examinee", &examinee, NULL},   {"--think", NULL, &think},
        {"--recall", NULL, &recall},       {"--seed", NULL, &seed},
        {"--trace", &trace_path, NULL},    {"--profile", &profile, NULL},
    };
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        if (!is(known[at].name, name)) continue;
        if (known[at].text) *known[at].text = value;
        else *known[at].number = atof(value);
        return true;
    }
    if (is(name, "--fault") && strchr(value, ':')) {
        fault_kind = value;
        fault_word = strchr(value, ':') + 1;
        return true;
    }
    if (is(name, "-c") || is(name, "--config")) configure(value);
    return is(name, "-c") || is(name, "--config") || is(name, "-i") || is(name, "--image_path");
}

/* What each console does by itself; options that follow change it. */
static void use_profile(const char *name) {
    static const struct {
        const char *name, *banner, *echo, *stats, *history, *reset, *ahead;
        double limit;
    } known[] = {
        {"xlm_demo", "multi", "yes", "line", "keep", "works", "yes", 0},
        {"oellm_run", "single", "no", "line", "none", "broken", "yes", 10239},
        {"oellm_multichat", "multi", "no", "line", "keep", "works", "no", 0},
        {"hobot_xlm", "multi", "no", "line", "keep", "broken", "yes", 0},
        {"vlm", "vlm", "no", "colour", "keep", "works", "no", 0},
        {"llm", "none", "no", "tps", "none", "broken", "yes", 0},
    };
    size_t chosen = 0;
    for (size_t at = 0; at < sizeof known / sizeof *known; at++)
        if (strncmp(name, known[at].name, strlen(known[at].name)) == 0) chosen = at;
    profile = known[chosen].name;
    banner = known[chosen].banner;
    echo = known[chosen].echo;
    stats = known[chosen].stats;
    history = known[chosen].history;
    reset_kind = known[chosen].reset;
    ahead = known[chosen].ahead;
    limit = known[chosen].limit;
}

static bool fault_is(const char *kind) {
    return fault_word && strncmp(fault_kind, kind, strlen(kind)) == 0 && fault_kind[strlen(kind)] == ':';
}

/* What is printed of an answer */

/* The time that a step of the model takes; a step that comes late is not made up for. */
static void next_step(bool burn) {
    double began = now();
    if (burn && rate > 0) burn_until(due > began ? due : began);
    else if (work_ms > 0) burn_until(began + work_ms / 1e3);
    else if (reads_ahead()) read_ahead(0);
    if (rate <= 0) return;
    nap_until(due);
    due = now() > due + step / rate ? now() + step / rate : due + step / rate;
    in_step = 0;
}

static void piece(const char *text, size_t size) {
    if (in_step == 0) next_step(false);
    if (++in_step >= step) in_step = 0;
    put(text, size);
    pieces++;
    if (noise && pieces % (int)noise == 0) library(stdout, "bpu task queue is long, a task waits");
}

/* Word by word, each with the blanks before it, or so many bytes at a time. */
static void say(const char *text) {
    while (*text) {
        size_t size = size_of_token ? strnlen(text, (size_t)size_of_token) : strspn(text, " \n");
        if (!size_of_token) size += strcspn(text + size, " \n");
        piece(text, size);
        text += size;
    }
}

static void begin_steps(void) {
    rate = base_rate;
    step = base_step > 1 ? (int)base_step : 1;
    size_of_token = (int)cut;
    in_step = 0;
    due = rate > 0 ? now() + step / rate : 0;
}

static void figures(double prefill, double decode) {
    char text[1024] = "";
    double in_second = 12 / prefill, out_second = pieces / decode;
    if (is(stats, "line"))
        snprintf(text, sizeof text, "\nPerformance prefill: %.2ftokens/s    decode: %.2ftokens/s\n", in_second, out_second);
    if (is(stats, "performance"))
        snprintf(text, sizeof text, "\n[Performance] prefill 12 tokens, decode %d tokens\n", pieces);
    if (is(stats, "tps"))
        snprintf(text, sizeof text, "\n[Performance] prefill TPS: %.0f tokens/s  decode TPS: %.1f tokens/s\n", in_second,
                 out_second);
    if (is(stats, "colour"))
        snprintf(text, sizeof text,
                 "\n\n\033[38;2;0;128;255m===== prefill token num: 12 prefill cost: %f ms, prefill speed: %f tokens/s =====\n"
                 "===== decode token num: %d cost per token: %f ms, decode speed: %f tokens/s =====\n\033[0m\n",
                 prefill * 1e3, in_second, pieces, decode * 1e3 / (pieces + 1), out_second);
    if (is(stats, "none")) snprintf(text, sizeof text, "\n");
    print_end(text);
}

/* The line as the echo has it. */
static char *changed(const char *line) {
    char *copy = strdup(line), *to = copy;
    if (is(quirk, "blank") && asprintf(&to, "%s ", line) > 0) return to;
    if (is(quirk, "cut") && strlen(copy) > LONGEST_ECHO) copy[LONGEST_ECHO] = 0;
    if (is(quirk, "trim")) {
        size_t size = strlen(copy);
        while (size && strchr(" \t", copy[size - 1])) copy[--size] = 0;
        memmove(copy, copy + strspn(copy, " \t"), strlen(copy + strspn(copy, " \t")) + 1);
    }
    for (const char *from = copy; is(quirk, "nfc") || is(quirk, "escapes"); from++) {
        if (is(quirk, "nfc") && strncmp(from, "e\xcc\x81", 3) == 0) {
            *to++ = '\xc3';
            *to++ = '\xa9';
            from += 2;
        } else if (is(quirk, "escapes") && strncmp(from, "\\n", 2) == 0) {
            *to++ = '\n';
            from++;
        } else if (!(*to++ = *from)) {
            break;
        }
    }
    return copy;
}

static void print_echo(const char *line) {
    char *copy = changed(line);
    if (is(echo, "yes")) print("<｜begin▁of▁sentence｜><｜User｜>%s<｜Assistant｜><think>\n\n", copy);
    if (is(echo, "line")) print("%s\n", copy);
    free(copy);
}

/* True when no prompt follows. */
static bool fault(const char *line) {
    if (!fault_word || !strstr(line, fault_word)) return false;
    signal(SIGSEGV, SIG_DFL);
    if (fault_is("segv")) raise(SIGSEGV);
    if (fault_is("abort")) abort();
    if (fault_is("exit")) {
        library(stderr, "Failed to DoPrefill");
        exit(0);
    }
    if (fault_is("run-error")) {
        print("\nrun error\n");
        return true;
    }
    while (fault_is("silent")) nap(3600);
    while (fault_is("endless")) print(" still");
    return false;
}

/* Memory */

static const char CAPITALS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/* The next secret word at or behind `*at`, which is moved behind it; its size, 0 when there is none. */
static size_t next_secret(const char **at, const char **word) {
    while (*(*at += strcspn(*at, CAPITALS))) {
        size_t size = strspn(*at, CAPITALS);
        *word = *at;
        *at += size;
        if (size >= 6) return size;
    }
    return 0;
}

static bool tells(const char *line) {
    const char *word;
    return strcasestr(line, "secret word") && next_secret(&line, &word) > 0;
}

static bool asks(const char *line) { return strcasestr(line, "list every") || strchr(line, '?'); }

static bool chance(double share) {
    static uint64_t state = 0;
    if (!state) state = (uint64_t)seed * 0x9e3779b97f4a7c15u + 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0 < share;
}

static void examined(const char *line) {
    for (int at = 0; at < (int)think; at++) say(at % 12 == 11 ? " and\n" : " hmm");
    say("\n</think>\n\n");
    if (is(examinee, "refuses")) {
        say("I cannot share that.");
    } else if (is(examinee, "ignores") || (tells(line) && !asks(line))) {
        say("OK");
    } else if (is(examinee, "rambles")) {
        for (int at = 0; at < 60; at++) say("There is much to be said about words, and more about those that are kept. ");
    } else {
        int named = 0;
        for (int at = 0; at < lines_held; at++) {
            const char *from = held[at], *word;
            size_t size = tells(from) ? next_secret(&from, &word) : 0;
            for (; size; size = next_secret(&from, &word)) {
                if (!chance(recall)) continue;
                if (named++) say(",");
                char text[256];
                snprintf(text, sizeof text, "%s%.*s", named > 1 ? " " : "", (int)size, word);
                say(text);
            }
        }
        if (!named) say("I know of none.");
    }
}

/* Scripts */

static char *decoded(const char *text, size_t size) {
    char *out = malloc(size + 1), *to = out;
    for (size_t at = 0; at < size; at++) {
        unsigned int byte;
        if (text[at] == '%' && at + 2 < size + 0 && sscanf(text + at + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            at += 2;
        } else {
            *to++ = text[at];
        }
    }
    *to = 0;
    return out;
}

static void say_held(void) {
    for (int at = 0; at < lines_held; at++) {
        say(at ? " | " : "");
        say(held[at]);
    }
}

static void say_filling(double bytes_left) {
    size_t block = (size_t)buffer;
    for (size_t most = block; most && block - printed % block != (size_t)bytes_left; most--) piece("x", 1);
}

static void perform(const char *name, const char *text) {
    double number = atof(text);
    if (is(name, "say")) say(text);
    if (is(name, "think")) {
        say(text);
        say("\n</think>\n\n");
    }
    if (is(name, "burst")) piece(text, strlen(text));
    if (is(name, "held")) say_held();
    if (is(name, "count")) {
        char words[32];
        snprintf(words, sizeof words, "%d", lines_held);
        say(words);
    }
    if (is(name, "size")) size_of_token = (int)number;
    if (is(name, "rate")) {
        rate = number;
        due = rate > 0 ? now() + step / rate : 0;
    }
    if (is(name, "step")) step = number > 1 ? (int)number : 1;
    if (is(name, "pause")) nap(number);
    if (is(name, "work")) burn_until(now() + number);
    if (is(name, "silent"))
        for (int at = 0; at < (int)number; at++) next_step(is(silent, "burn"));
    if (is(name, "stop")) raise(SIGSTOP);
    if (is(name, "fill")) say_filling(number);
}

/* False when the line holds no script. */
static bool scripted(const char *line) {
    const char *from = strstr(line, "{{new}}"), *later;
    if (!from) return false;
    while ((later = strstr(from + 1, "{{new}}"))) from = later;
    while ((from = strstr(from, "{{"))) {
        const char *end = strstr(from, "}}");
        if (!end) break;
        size_t size = strcspn(from, ":}");
        char name[16] = "";
        snprintf(name, sizeof name, "%.*s", (int)size - 2, from + 2);
        char *text = from + size < end ? decoded(from + size + 1, (size_t)(end - from) - size - 1) : strdup("");
        trace(name, text);
        perform(name, text);
        free(text);
        from = end;
    }
    return true;
}

/* One turn */

static void forget(void) {
    while (lines_held > 0) free(held[--lines_held]);
    forget_next = false;
}

/* Images: the stand-in for the vision model says size and colour of the middle of a BMP file. */

static uint32_t number_at(const unsigned char *at) {
    return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24;
}

static void see(const char *path) {
    unsigned char head[54], pixel[3];
    char words[128];
    FILE *file = fopen(path, "rb");
    bool found = file && fread(head, 1, sizeof head, file) == sizeof head && head[0] == 'B' && head[1] == 'M';
    if (found) {
        uint32_t width = number_at(head + 18), height = number_at(head + 22), row = (3 * width + 3) / 4 * 4;
        found = fseek(file, (long)(number_at(head + 10) + height / 2 * row + width / 2 * 3), SEEK_SET) == 0 &&
                fread(pixel, 1, 3, file) == 3;
        snprintf(words, sizeof words, "image %ux%u of %02x%02x%02x", width, height, pixel[2], pixel[1], pixel[0]);
    }
    if (file) fclose(file);
    if (!found) fprintf(stderr, "imread_('%s'): can't open/read file\n", path);
    else if (lines_held < MAX_LINES) held[lines_held++] = strdup(words);
}

/* `/image P[,P]`: a new chat with these images. The source takes what is behind seven characters, whatever they are. */
static void show_images(const char *line) {
    if (strlen(line) < 7) abort(); /* substr throws, and no handler is there */
    char *paths = strdup(line + 7), *rest = paths, *path;
    if (!*paths) return; /* no image, no inference, no prompt */
    forget();
    trace("image", line);
    while ((path = strsep(&rest, ","))) see(path);
    if (is(image_step, "all") || is(image_step, "marker")) print("\n[Assistant] >>> ");
    if (is(image_step, "all"))
        print("\n\n\033[38;2;0;128;255m===== vit cost: 42.733000 ms, vit infer cost: 41.200000 ms =====\n"
              "===== prefill token num: 256 prefill cost: 46.254000 ms, prefill speed: 5534.656000 tokens/s =====\n"
              "===== decode token num: 0 cost per token: 0.000000 ms, decode speed: 0.000000 tokens/s =====\n\033[0m\n");
    free(paths);
    prompt();
}

static void turn(const char *line) {
    double began = now();
    char words[64];
    trace("begin", line);
    if (forget_next || is(history, "none")) forget();
    if (lines_held < MAX_LINES) held[lines_held++] = strdup(line);
    print_echo(line);
    print("%s[Assistant] >>> ", is(profile, "vlm") ? "\n" : "");
    pieces = 0;
    answering = true;
    begin_steps();
    double first = now();
    if (scripted(line)) {
        if (fault(line)) return;
    } else if (strcasestr(line, "secret word")) {
        examined(line);
    } else {
        snprintf(words, sizeof words, "I hold %d lines.\n</think>\n\n", lines_held);
        say(words);
        if (fault(line)) return;
        say_held();
    }
    if (*leak) say(leak);
    next_step(false); /* the end token is a step of its own */
    answering = false;
    trace("end", line);
    figures(first - began + 1e-6, now() - first + 1e-6);
    prompt();
}

/* True for a line that is a command, which is obeyed. */
static bool command(const char *line) {
    if (is(line, "exit")) {
        print("[system out] >>> 好的，祝您生活愉快，再见~\n");
        fflush(stdout);
        exit(0);
    }
    bool is_reset = is(line, "reset") && !is(reset_kind, "question");
    if (is_reset) forget_next = is(reset_kind, "works");
    if (is(profile, "vlm") && strncmp(line, "/image", 6) == 0) show_images(line);
    else if (is_reset) prompt();
    else return false;
    return true;
}

static int talk(void) {
    for (;;) {
        char *line = lines_queued ? queued[0] : NULL;
        if (line) {
            memmove(queued, queued + 1, (size_t)--lines_queued * sizeof *queued);
        } else {
            while (!(line = input_size ? take_line() : NULL)) {
                if (at_end) return 0;
                read_input(-1);
            }
            trace("read", line);
            if (command(line)) {
                free(line);
                continue;
            }
        }
        turn(line);
        answering = false;
        free(line);
    }
}

static void greet(void) {
    if (is(banner, "vlm"))
        print("\033[42;37;1m SUCCESS \033[0m \033[32mVLM Demo XLM Engine is ready.\033[0m\n"
              "模型类别：图像、文本对话\n语言模型：%s\n\n可用指令:\n- 输入文本：<prompt>\n- 加载图片：/image <image_path>\n"
              "- 重新生成：regen\n- 清除缓存：reset\n- 退出程序：exit\n\n", hbm_path);
    if (is(banner, "multi") || is(banner, "single"))
        print("xlm init success\n板端大模型%s对话交互demo，请输入你的问题并按下回车 \n"
              "- 退出请输入exit\n- 清除缓存请输入reset\n", is(banner, "multi") ? "多轮" : "");
    prompt();
}

static void *beat(void *unused) {
    for (;;) usleep((useconds_t)(heartbeat_ms * 1e3));
    return unused;
}

static int load(void) {
    pthread_t heart;
    trace("load", program);
    if (heartbeat_ms > 0) pthread_create(&heart, NULL, beat, NULL);
    print("[UCP]: log level = 3\n[DNN]: log level = 3\n");
    print("hbm_path: %s\ntokenizer_dir: %s\ntemplate_path: %s\nmodel_type: %d\n", hbm_path, tokenizer_dir, template_path,
          (int)model_type);
    nap(load_ms / 1e3);
    if (access(hbm_path, R_OK) != 0) {
        library(stdout, "[Model] Load hbm failed! error: HBRT4_STATUS_BAD_DATA");
        print("xlm init failed\n");
        return 1;
    }
    fprintf(stderr, "[DNN]: 3.6.1_(4.2.7post0.dev202307211111+6aaae37 HBRT)\n");
    greet();
    return 0;
}

int main(int count, char **words) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_TIMERSLACK, 1000ul);
    program = strrchr(words[0], '/') ? strrchr(words[0], '/') + 1 : words[0];
    use_profile(program);
    for (int at = 1; at + 1 < count; at++)
        if (is(words[at], "--profile")) use_profile(words[at + 1]);
    for (int at = 1; at < count; at += 2)
        if (at + 1 >= count || !take(words[at], words[at + 1])) return refuse(words[at]);
    if (*trace_path) trace_file = fopen(trace_path, "ae");
    if (buffer > 0) setvbuf(stdout, malloc((size_t)buffer), _IOFBF, (size_t)buffer);
    return load() ? 1 : talk();
}
