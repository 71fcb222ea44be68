/* Spends CPU time in known shares: three parts in hot(), one in warm(). Usage: cpu MODE SECONDS */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;
static volatile uint64_t sink;

static void on_term(int number) { (void)number; stopped = 1; }

static void ignore(int number) { (void)number; }

#define LOOP(NAME) \
    __attribute__((noinline)) uint64_t NAME(uint64_t count) { \
        uint64_t hash = sink; \
        for (uint64_t i = 0; i < count; i++) hash = (hash ^ i) * 1099511628211ULL; \
        return hash; \
    }
LOOP(hot)
LOOP(warm)

static double used(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

__attribute__((noinline)) void work(double seconds) {
    double start = used();
    uint32_t dice = 1;
    while (!stopped && used() - start < seconds) {
        dice = dice * 1664525 + 1013904223; /* turns of equal length could keep in step with the samples */
        uint64_t turn = 20000 + dice % 65536;
        sink = hot(3 * turn);
        sink = warm(turn);
    }
}

static void *thread(void *seconds) {
    work(*(double *)seconds);
    return NULL;
}

static void ready(void) {
    puts("ready");
    fflush(stdout);
}

static void serve_forked(double seconds, int workers, int forgetful) {
    pid_t children[8];
    for (int i = 0; i < workers; i++)
        if ((children[i] = fork()) == 0) {
            if (forgetful) clearenv();
            work(seconds);
            exit(0);
        }
    ready();
    while (!stopped) pause();
    for (int i = 0; i < workers; i++) kill(children[i], SIGTERM);
    for (int i = 0; i < workers; i++) waitpid(children[i], NULL, 0);
}

int main(int count, char **args) {
    const char *mode = count > 1 ? args[1] : "work";
    double seconds = count > 2 ? atof(args[2]) : 0;
    if (strcmp(mode, "stubborn")) signal(SIGTERM, on_term);
    if (!strcmp(mode, "own")) signal(SIGUSR2, ignore);
    if (!strcmp(mode, "threads")) {
        pthread_t threads[3];
        for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, thread, &seconds);
        ready();
        for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    } else if (!strcmp(mode, "fork") || !strcmp(mode, "forgetful")) {
        serve_forked(seconds, strcmp(mode, "forgetful") ? 2 : 3, !strcmp(mode, "forgetful"));
    } else if (!strcmp(mode, "forkexit")) {
        for (int i = 0; i < 2; i++)
            if (fork() == 0) {
                work(seconds);
                exit(0);
            }
        while (wait(NULL) > 0) continue;
    } else if (!strcmp(mode, "exit")) {
        puts("done");
        return (int)seconds;
    } else if (!strcmp(mode, "replaced")) {
        signal(SIGPROF, SIG_DFL); /* as exec() leaves it */
        raise(SIGPROF);
    } else if (!strcmp(mode, "crash")) {
        raise(SIGSEGV);
    } else if (!strcmp(mode, "polite")) {
        ready();
        while (!stopped) usleep(1000);
        return 5;
    } else {
        ready();
        work(seconds);
    }
    return 0;
}
