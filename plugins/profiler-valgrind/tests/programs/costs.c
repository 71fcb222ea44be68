/* A hot function, a recursive one, and a heap whose peak is known: 100000 + 5000 bytes. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEPARATE __attribute__((noinline)) static

SEPARATE unsigned hot(unsigned rounds)
{
    unsigned sum = 1;
    for (unsigned i = 0; i < rounds; i++) sum = sum * 31 + i;
    return sum;
}

SEPARATE unsigned cold(unsigned rounds) { return hot(rounds / 10) + 1; }

SEPARATE unsigned fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

SEPARATE char *grab(size_t size)
{
    char *block = malloc(size);
    if (block) memset(block, 1, size);
    return block;
}

SEPARATE char *grab_much(void) { return grab(100000); }

int main(int count, char **words)
{
    char *large = grab_much(), *small = grab(5000);
    unsigned sum = hot(100000) + cold(100000) + fibonacci(12) + (unsigned)large[7] + (unsigned)small[7];
    free(large);
    free(small);
    if (count > 1 && strcmp(words[1], "fork") == 0) {
        if (fork() == 0) {
            sum = hot(200000);
            exit(sum == 7);
        }
        wait(NULL);
    }
    if (count > 1 && strcmp(words[1], "die") == 0) raise(9);
    printf("%u\n", sum);
    return 0;
}
