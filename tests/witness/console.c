/* A console in C that speaks the protocol of xlm_demo and oellm_run, written apart from the simulator.
 *
 * It is a second witness: a misunderstanding shared by the gateway and the simulator shows here. It knows no model.
 * Its answer to a line is what it holds: the number of lines in this chat and the lines themselves, reasoning first.
 * It prints through C stdio and flushes nothing by itself, so that it needs `stdbuf` as the real console does.
 *
 * Its own options, beside those of the real console:
 *   --rate N          pieces a second (0: as fast as it can)        --load-ms N   time before the banner
 *   --history keep|none   --reset works|broken                      --echo yes|no
 *   --stats line|colour|performance|none                            --leak TEXT   printed behind the answer
 *   --cut N           bytes of a piece at most, wherever a character ends (0: whole words)
 *   --noise N         a library's log line after every N pieces, on standard output
 *   --fault KIND:WORD a line that holds WORD brings it on: segv, abort, exit, run-error, silent, endless
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PROMPT "[User] <<< "
#define MAX_LINES 4096

static const char *program, *hbm_path = "", *tokenizer_dir = "", *template_path = "";
static const char *history = "keep", *reset_kind = "works", *echo = "yes", *stats = "line", *leak = "";
static const char *fault_kind = "", *fault_word = NULL;
static int model_type = 3, rate = 0, load_ms = 0, cut = 0, noise = 0;

static char *held[MAX_LINES];
static int lines_held = 0, pieces = 0;
static bool forget_next = false;

static void nap(double seconds) {
    struct timespec left = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    while (nanosleep(&left, &left) != 0) {}
}

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void library(FILE *where, const char *text) {
    struct timespec at;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &at);
    strftime(stamp, sizeof stamp, "[%m-%d][%H:%M:%S", localtime(&at.tv_sec));
    fprintf(where, "[E][%d]%s:%03ld][engine.cpp:61][%s][DNN] %s\n", (int)getpid(), stamp, at.tv_nsec / 1000000, program,
            text);
}

/* Options */

static bool single_turn(void) { return strcmp(program, "oellm_run") == 0; }

static int refuse(const char *option) {
    if (single_turn())
        fprintf(stderr, "Error: unknown argument: %s\n", option);
    else
        fprintf(stderr, "unknown option: %s\n", option);
    printf("Usage: ./%s --hbm_path <path> --tokenizer_dir <dir> --template_path <path> --model_type <n>\n", program);
    return 1;
}

static bool take(const char *name, char *value) {
    struct { const char *name; const char **text; int *number; } known[] = {
        {"--hbm_path", &hbm_path, NULL},   {"--tokenizer_dir", &tokenizer_dir, NULL},
        {"--template_path", &template_path, NULL}, {"--model_type", NULL, &model_type},
        {"--history", &history, NULL},     {"--reset", &reset_kind, NULL},
        {"--echo", &echo, NULL},           {"--stats", &stats, NULL},
        {"--leak", &leak, NULL},           {"--rate", NULL, &rate},
        {"--load-ms", NULL, &load_ms},     {"--cut", NULL, &cut},
        {"--noise", NULL, &noise},
    };
    for (size_t at = 0; at < sizeof known / sizeof *known; at++) {
        if (strcmp(known[at].name, name) != 0) continue;
        if (known[at].text) *known[at].text = value;
        else *known[at].number = atoi(value);
        return true;
    }
    if (strcmp(name, "--fault") == 0 && strchr(value, ':')) {
        fault_kind = value;
        fault_word = strchr(value, ':') + 1;
        return true;
    }
    return false;
}

static bool fault_is(const char *kind) {
    return fault_word && strncmp(fault_kind, kind, strlen(kind)) == 0 && fault_kind[strlen(kind)] == ':';
}

/* What is printed */

static void piece(const char *text, size_t size) {
    static double due = 0;
    if (rate > 0) {
        if (due < now() - 1) due = now();
        due += 1.0 / rate;
        if (due > now()) nap(due - now());
    }
    fwrite(text, 1, size, stdout);
    pieces++;
    if (noise && pieces % noise == 0) library(stdout, "bpu task queue is long, a task waits");
}

/* Word by word, each with the blanks before it, or `cut` bytes at a time. */
static void say(const char *text) {
    while (*text) {
        size_t size = cut ? strnlen(text, (size_t)cut) : strspn(text, " \n");
        if (!cut) size += strcspn(text + size, " \n");
        piece(text, size);
        text += size;
    }
}

static void figures(double prefill, double decode) {
    if (strcmp(stats, "line") == 0)
        printf("\nPerformance prefill: %.2ftokens/s    decode: %.2ftokens/s\n", 12 / prefill, pieces / decode);
    if (strcmp(stats, "performance") == 0) printf("\n[Performance] prefill 12 tokens, decode %d tokens\n", pieces);
    if (strcmp(stats, "colour") == 0)
        printf("\n\n\033[38;2;0;128;255m===== prefill token num: 12 prefill cost: %f ms, prefill speed: %f tokens/s =====\n"
               "===== decode token num: %d cost per token: %f ms, decode speed: %f tokens/s =====\n\033[0m\n",
               prefill * 1e3, 12 / prefill, pieces, decode * 1e3 / (pieces + 1), pieces / decode);
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
        printf("\nrun error\n");
        return true;
    }
    while (fault_is("silent")) nap(3600);
    while (fault_is("endless")) printf(" still");
    return false;
}

/* One turn */

static void forget(void) {
    while (lines_held > 0) free(held[--lines_held]);
    forget_next = false;
}

static void turn(const char *line) {
    double began = now();
    char words[64];
    if (forget_next || strcmp(history, "none") == 0) forget();
    if (lines_held < MAX_LINES) held[lines_held++] = strdup(line);
    if (strcmp(echo, "yes") == 0)
        printf("<｜begin▁of▁sentence｜><｜User｜>%s<｜Assistant｜><think>\n\n", line);
    printf("[Assistant] >>> ");
    pieces = 0;
    double first = now();
    snprintf(words, sizeof words, "I hold %d lines.\n</think>\n\n", lines_held);
    say(words);
    if (fault(line)) return;
    for (int at = 0; at < lines_held; at++) {
        say(at ? " | " : "");
        say(held[at]);
    }
    if (*leak) say(leak);
    figures(first - began + 1e-6, now() - first + 1e-6);
    printf("%s" PROMPT, strcmp(stats, "none") == 0 ? "\n" : "");
}

static int talk(void) {
    static char fixed[10240];
    char *line = NULL;
    size_t room = 0;
    for (;;) {
        if (single_turn() ? !fgets(line = fixed, sizeof fixed, stdin) : getline(&line, &room, stdin) < 0) return 0;
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "exit") == 0) {
            printf("[system out] >>> 好的，祝您生活愉快，再见~\n");
            return 0;
        }
        if (strcmp(line, "reset") == 0) {
            forget_next = strcmp(reset_kind, "works") == 0;
            printf(PROMPT);
        } else {
            turn(line);
        }
    }
}

static int load(void) {
    printf("[UCP]: log level = 3\n[DNN]: log level = 3\n");
    printf("hbm_path: %s\ntokenizer_dir: %s\ntemplate_path: %s\nmodel_type: %d\n", hbm_path, tokenizer_dir, template_path,
           model_type);
    nap(load_ms / 1e3);
    if (access(hbm_path, R_OK) != 0) {
        library(stdout, "[Model] Load hbm failed! error: HBRT4_STATUS_BAD_DATA");
        printf("xlm init failed\n");
        return 1;
    }
    fprintf(stderr, "[DNN]: 3.6.1_(4.2.7post0.dev202307211111+6aaae37 HBRT)\n");
    printf("xlm init success\n板端大模型%s对话交互demo，请输入你的问题并按下回车 \n", single_turn() ? "" : "多轮");
    printf("- 退出请输入exit\n- 清除缓存请输入reset\n" PROMPT);
    return 0;
}

int main(int count, char **words) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    program = strrchr(words[0], '/') ? strrchr(words[0], '/') + 1 : words[0];
    if (single_turn()) {
        history = "none";
        echo = "no";
    }
    for (int at = 1; at < count; at += 2)
        if (at + 1 >= count || !take(words[at], words[at + 1])) return refuse(words[at]);
    return load() ? 1 : talk();
}
