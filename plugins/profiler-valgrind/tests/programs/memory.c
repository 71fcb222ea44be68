/* Defects of memory on demand: each argument names one, "ready" says so, and a number ends the program with it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEPARATE __attribute__((noinline)) static

struct link { struct link *next; char body[48]; };
static void *volatile kept;
static volatile int sink;

SEPARATE void lose(void)
{
    kept = malloc(1000);
    kept = NULL;
}

SEPARATE void lose_chain(void)
{
    struct link *link = malloc(sizeof *link);
    link->next = malloc(100);
    kept = link;
    kept = NULL;
}

SEPARATE void hide(void) { kept = (char *)malloc(500) + 8; }

SEPARATE void use_after_free(void)
{
    int *volatile block = malloc(40);
    block[3] = 4;
    free(block);
    sink = block[3];
}

SEPARATE void use_unset(void)
{
    int *volatile block = malloc(40);
    if (block[2] > 3) sink++;
    free(block);
}

SEPARATE void free_twice(void)
{
    char *volatile block = malloc(10);
    free(block);
    free(block);
}

static volatile int *volatile nowhere = (int *)16;

SEPARATE void crash(void) { *nowhere = 1; }

/* A child of its own: "worker" has a defect and stays, "becomer" becomes another program. */
SEPARATE void start(const char *what)
{
    pid_t child = fork();
    if (child != 0) {
        if (strcmp(what, "worker") != 0) waitpid(child, NULL, 0);
        return;
    }
    use_unset();
    if (strcmp(what, "becomer") == 0) execlp("sleep", "sleep", "0", (char *)NULL);
    while (strcmp(what, "worker") == 0) pause();
    _exit(0);
}

static void leave(int unused)
{
    (void)unused;
    exit(5);
}

SEPARATE void stay(int polite)
{
    if (polite) signal(SIGTERM, leave);
    puts("ready");
    fflush(stdout);
    for (;;) pause();
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        const char *word = words[i];
        if (strcmp(word, "lose") == 0) lose();
        else if (strcmp(word, "chain") == 0) lose_chain();
        else if (strcmp(word, "hide") == 0) hide();
        else if (strcmp(word, "stale") == 0) use_after_free();
        else if (strcmp(word, "unset") == 0) use_unset();
        else if (strcmp(word, "twice") == 0) free_twice();
        else if (strcmp(word, "crash") == 0) crash();
        else if (strcmp(word, "serve") == 0) stay(1);
        else if (strcmp(word, "stay") == 0) stay(0);
        else if (strcmp(word, "fork") == 0 || strcmp(word, "worker") == 0 || strcmp(word, "becomer") == 0) start(word);
        else if (strcmp(word, "exec") == 0) execv(words[i + 1], words + i + 1);
        else return atoi(word);
    }
    return 0;
}
