/* SPDX-License-Identifier: UNLICENSED */
/*
 * One thread, one poll() over all pairs of sockets. A client's first packet is
 * its start-up packet: length, version, then names and values.
 */
#include "pooler.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PAIRS = 64, PACKET = 4096 };

struct pooler {
    enum pooler_mode mode;
    char socket_path[108];
    int fd;
    int wake[2];
    unsigned port;
    unsigned refused;
    pthread_t thread;
    int client[PAIRS];
    int server[PAIRS]; /* -1: not past the start-up packet */
};

static void
must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        abort();
    }
}

static void
say_error(int fd, const char *code, const char *text)
{
    char body[256];
    int n = snprintf(body, sizeof(body), "SFATAL%cVFATAL%cC%s%cM%s%c", 0, 0,
                     code, 0, text, 0);
    unsigned char head[5] = {'E', 0, 0, 0, (unsigned char)(n + 5)};

    body[n] = '\0'; /* the end of the list of fields */
    (void)send(fd, head, sizeof(head), MSG_NOSIGNAL);
    (void)send(fd, body, (size_t)n + 1, MSG_NOSIGNAL);
}

static bool
has_options(const char *packet, size_t n)
{
    size_t at = 8;

    while (at < n && packet[at] != '\0') {
        if (strcmp(packet + at, "options") == 0) {
            return true;
        }
        at += strlen(packet + at) + 1;
        at += strlen(packet + at) + 1;
    }
    return false;
}

static int
to_server(const struct pooler *p)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(at.sun_path, p->socket_path, sizeof(at.sun_path));
    must(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0,
         "server");
    return fd;
}

static void
end_pair(struct pooler *p, int i)
{
    (void)close(p->client[i]);
    if (p->server[i] >= 0) {
        (void)close(p->server[i]);
    }
    p->client[i] = -1;
    p->server[i] = -1;
}

static void
start_up(struct pooler *p, int i, const char *packet, size_t n)
{
    /* "No" to TLS and GSS: the client goes on with its start-up packet. */
    if (n == 8) {
        (void)send(p->client[i], "N", 1, MSG_NOSIGNAL);
        return;
    }
    if (p->mode == POOLER_SILENT) {
        return;
    }
    if (p->mode == POOLER_REFUSES) {
        say_error(p->client[i], "28P01", "password authentication failed");
        end_pair(p, i);
    } else if (p->mode == POOLER_FULL) {
        say_error(p->client[i], "53300", "sorry, too many clients already");
        end_pair(p, i);
    } else if (has_options(packet, n)) {
        p->refused++;
        say_error(p->client[i], "08P01",
                  "unsupported startup parameter: options");
        end_pair(p, i);
    } else {
        p->server[i] = to_server(p);
        (void)send(p->server[i], packet, n, MSG_NOSIGNAL);
    }
}

static void
relay(struct pooler *p, int i, bool from_client)
{
    char data[PACKET + 1];
    int from = from_client ? p->client[i] : p->server[i];
    int to = from_client ? p->server[i] : p->client[i];
    ssize_t n = recv(from, data, PACKET, 0);

    if (n <= 0) {
        end_pair(p, i);
    } else if (from_client && p->server[i] < 0) {
        data[n] = '\0';
        start_up(p, i, data, (size_t)n);
    } else {
        (void)send(to, data, (size_t)n, MSG_NOSIGNAL);
    }
}

static void
take_client(struct pooler *p)
{
    int fd = accept(p->fd, NULL, NULL);
    int i;

    for (i = 0; i < PAIRS && fd >= 0; i++) {
        if (p->client[i] < 0) {
            p->client[i] = fd;
            return;
        }
    }
    must(fd < 0, "pairs");
}

static void *
on_thread(void *arg)
{
    struct pooler *p = arg;
    struct pollfd fds[2 * PAIRS + 2];
    int i;

    for (;;) {
        fds[0] = (struct pollfd){.fd = p->wake[0], .events = POLLIN};
        fds[1] = (struct pollfd){.fd = p->fd, .events = POLLIN};
        for (i = 0; i < PAIRS; i++) {
            fds[2 + 2 * i] =
                (struct pollfd){.fd = p->client[i], .events = POLLIN};
            fds[3 + 2 * i] =
                (struct pollfd){.fd = p->server[i], .events = POLLIN};
        }
        (void)poll(fds, 2 * PAIRS + 2, -1);
        if (fds[0].revents != 0) {
            return NULL;
        }
        for (i = 0; i < PAIRS; i++) {
            if (fds[2 + 2 * i].revents != 0) {
                relay(p, i, true);
            } else if (fds[3 + 2 * i].revents != 0) {
                relay(p, i, false);
            }
        }
        if (fds[1].revents != 0) {
            take_client(p);
        }
    }
}

struct pooler *
pooler_start(enum pooler_mode mode, const char *socket_dir)
{
    struct pooler *p = calloc(1, sizeof(*p));
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int i;

    must(p != NULL, "memory");
    p->mode = mode;
    (void)snprintf(p->socket_path, sizeof(p->socket_path),
                   "%.80s/.s.PGSQL.5432", socket_dir);
    for (i = 0; i < PAIRS; i++) {
        p->client[i] = -1;
        p->server[i] = -1;
    }
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    p->fd = socket(AF_INET, SOCK_STREAM, 0);
    must(pipe(p->wake) == 0 && p->fd >= 0 &&
             bind(p->fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
             listen(p->fd, 64) == 0 &&
             getsockname(p->fd, (struct sockaddr *)&at, &len) == 0,
         "listen");
    p->port = ntohs(at.sin_port);
    must(pthread_create(&p->thread, NULL, on_thread, p) == 0, "thread");
    return p;
}

unsigned
pooler_port(const struct pooler *p)
{
    return p->port;
}

/* Read when nothing connects any more. */
unsigned
pooler_refused(const struct pooler *p)
{
    return p->refused;
}

void
pooler_stop(struct pooler *p)
{
    int i;

    must(write(p->wake[1], "x", 1) == 1, "wake");
    (void)pthread_join(p->thread, NULL);
    for (i = 0; i < PAIRS; i++) {
        if (p->client[i] >= 0) {
            end_pair(p, i);
        }
    }
    (void)close(p->fd);
    (void)close(p->wake[0]);
    (void)close(p->wake[1]);
    free(p);
}
