/* A console that answers as fast as the machine can, so that a benchmark measures what reads it.
 *
 * It prints as xlm_demo does, without an echo: `tokens=N` in a line makes an answer of N words, each in a write of its
 * own, as a console without buffering writes its tokens. `reset` is answered by the prompt, `exit` ends it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT "[User] <<< "
#define DEFAULT_TOKENS 4

static const char *words[] = {" the", " sea", " is", " wide", ",", " and", " ships", " pass", " by", ".\n"};

static void put(const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t sent = write(1, text, left);
        if (sent <= 0) exit(1);
        text += sent;
        left -= (size_t)sent;
    }
}

int main(void) {
    char *line = NULL;
    size_t room = 0;
    put("xlm init success\n" PROMPT);
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "exit") == 0) break;
        if (strcmp(line, "reset") != 0) {
            const char *asked = strstr(line, "tokens=");
            long tokens = asked ? atol(asked + strlen("tokens=")) : DEFAULT_TOKENS;
            put("[Assistant] >>> </think>\n\n");
            for (long at = 1; at < tokens; at++) put(words[at % (long)(sizeof words / sizeof *words)]);
            put(" end"); /* no line break, which could belong to the end of the turn */
            put("\nPerformance prefill: 1000.00tokens/s    decode: 1000.00tokens/s\n");
        }
        put(PROMPT);
    }
    return 0;
}
