/* Two threads that race, or take locks in opposite orders, or do neither. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static int counter;
static pthread_mutex_t first = PTHREAD_MUTEX_INITIALIZER, second = PTHREAD_MUTEX_INITIALIZER;

__attribute__((noinline)) static void bump(void)
{
    for (int i = 0; i < 100; i++) counter++;
}

static void *racing(void *unused)
{
    bump();
    return unused;
}

static void *careful(void *unused)
{
    pthread_mutex_lock(&first);
    bump();
    pthread_mutex_unlock(&first);
    return unused;
}

static void both(pthread_mutex_t *one, pthread_mutex_t *other)
{
    pthread_mutex_lock(one);
    pthread_mutex_lock(other);
    bump();
    pthread_mutex_unlock(other);
    pthread_mutex_unlock(one);
}

static void *forwards(void *unused)
{
    both(&first, &second);
    return unused;
}

static void *backwards(void *unused)
{
    both(&second, &first);
    return unused;
}

static void together(void *(*one)(void *), void *(*other)(void *))
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, one, NULL);
    pthread_create(&threads[1], NULL, other, NULL);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}

static void in_turn(void *(*one)(void *), void *(*other)(void *))
{
    pthread_t thread;
    pthread_create(&thread, NULL, one, NULL);
    pthread_join(thread, NULL);
    pthread_create(&thread, NULL, other, NULL);
    pthread_join(thread, NULL);
}

int main(int count, char **words)
{
    for (int i = 1; i < count; i++) {
        if (strcmp(words[i], "race") == 0) together(racing, racing);
        else if (strcmp(words[i], "locks") == 0) in_turn(forwards, backwards);
        else together(careful, careful);
    }
    printf("%d\n", counter);
    return 0;
}
