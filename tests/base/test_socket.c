/* Which sockets hurry, and how. */
#include "base/socket.h"
#include "tests/test.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NAME = 16 }; /* TCP_CA_NAME_MAX */

static void congestion(int fd, char name[NAME])
{
    socklen_t size = NAME;
    memset(name, 0, NAME);
    CHECK(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0);
}

/* A socket that hurries towards `address` and is not connected; -1: no such family here. */
static int hurried(const char *address)
{
    struct sockaddr_in  v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    bool                is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    CHECK(is_v4 || inet_pton(AF_INET6, address, &v6.sin6_addr) == 1);
    int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        bl_socket_hurry(fd, is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6);
    return fd;
}

static const struct {
    const char *address;
    bool        here;
} cases[] = {
    { "127.0.0.1", true },
    { "127.255.0.9", true },
    { "::1", true },
    { "::ffff:127.0.0.1", true },
    { "128.0.0.1", false },
    { "192.0.2.1", false },
    { "::", false },
    { "2001:db8::1", false },
    { "::ffff:192.0.2.1", false },
};

TEST(only_what_stays_on_this_machine_is_not_paced)
{
    char usual[NAME], found[NAME];
    int  plain = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    congestion(plain, usual);
    close(plain);
    for (size_t i = 0; i < BL_LEN(cases); i++) {
        int       fd = hurried(cases[i].address), on = 0;
        socklen_t size = sizeof on;
        if (fd < 0)
            continue;
        CHECK(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0 && on);
        congestion(fd, found);
        assert_string_equal(cases[i].here ? "reno" : usual, found);
        close(fd);
    }
}

TESTS(RUN(only_what_stays_on_this_machine_is_not_paced))
