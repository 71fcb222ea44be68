/* Allocates memory and gives some of it back. Usage: heap MODE COUNT
   leak: COUNT objects of 256 bytes are lost, 64 of 50 bytes are kept in a table, others are freed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static void *volatile table[64];

static void on_term(int number) { (void)number; stopped = 1; }

__attribute__((noinline)) void *leak_session(size_t size) {
    void *memory = malloc(size);
    memset(memory, 1, size);
    return memory;
}

__attribute__((noinline)) void *keep_entry(size_t size) {
    void *memory = malloc(size);
    memset(memory, 2, size);
    return memory;
}

__attribute__((noinline)) void serve(int count) {
    for (int i = 0; i < count; i++) {
        void *volatile lost = leak_session(256);
        lost = NULL;
        void *volatile used = malloc(100);
        free(used);
    }
}

/* Overwrite what is left of pointers on the stack and in registers. */
__attribute__((noinline)) void forget(void) {
    volatile char space[4096];
    memset((char *)space, 0, sizeof space);
}

static void ready(void) {
    puts("ready");
    fflush(stdout);
}

int main(int count, char **args) {
    const char *mode = count > 1 ? args[1] : "clean";
    int number = count > 2 ? atoi(args[2]) : 0;
    setvbuf(stdout, NULL, _IONBF, 0);
    if (strcmp(mode, "stubborn")) signal(SIGTERM, on_term);
    if (!strcmp(mode, "exit")) {
        puts("done");
        return number;
    }
    if (!strcmp(mode, "crash")) raise(SIGSEGV);
    for (int i = 0; i < 64; i++) table[i] = keep_entry(50);
    if (!strcmp(mode, "fork")) {
        pid_t children[2];
        int done[2];
        char each;
        if (pipe(done)) return 1;
        for (int i = 0; i < 2; i++)
            if ((children[i] = fork()) == 0) {
                serve(number);
                if (write(done[1], "x", 1) != 1) _exit(1);
                while (!stopped) usleep(1000);
                exit(0);
            }
        for (int i = 0; i < 2; i++)
            if (read(done[0], &each, 1) != 1) return 1;
        ready();
        while (!stopped) pause();
        for (int i = 0; i < 2; i++) kill(children[i], SIGTERM);
        while (wait(NULL) > 0) continue;
        return 0;
    }
    if (strcmp(mode, "clean")) serve(number);
    forget();
    if (strcmp(mode, "leak") && strcmp(mode, "clean")) {
        ready();
        while (!stopped) usleep(1000);
    }
    if (!strcmp(mode, "polite")) return 5;
    return table[0] == NULL;
}
