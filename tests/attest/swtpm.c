/* swtpm and swtpm_setup, driven from a test. */
#include "tests/attest/swtpm.h"

#include "base/file.h"
#include "crypto/cert.h"
#include "crypto/x509.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "swtpm: %s\n", what);
    abort();
}

static bool has_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

static void write_file(const swtpm *t, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", t->dir, name);
    FILE *f = fopen(path, "w");
    must(f && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

/* Two neighbouring ports that nobody listens on. */
static int free_ports(void)
{
    for (int port = 20000 + (int)(getpid() % 20000) / 2 * 2; port < 60000; port += 2) {
        bool free = true;
        for (int i = 0; i < 2; i++) {
            struct sockaddr_in at = { .sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)(port + i)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
            int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            free = free && fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0;
            close(fd);
        }
        if (free)
            return port;
    }
    must(false, "no free port");
    return 0;
}

static void make_state(swtpm *t)
{
    char text[1024], command[1024];
    snprintf(text, sizeof text,
             "statedir = %s\nsigningkey = %s/sign.pem\nissuercert = %s/issuer.pem\n"
             "certserial = %s/serial\n",
             t->dir, t->dir, t->dir, t->dir);
    write_file(t, "localca.conf", text);
    write_file(t, "localca.options",
               "--platform-manufacturer test\n--platform-version 1\n--platform-model test\n");
    snprintf(text, sizeof text,
             "create_certs_tool=swtpm_localca\ncreate_certs_tool_config=%s/localca.conf\n"
             "create_certs_tool_options=%s/localca.options\n",
             t->dir, t->dir);
    write_file(t, "setup.conf", text);
    snprintf(command, sizeof command,
             "swtpm_setup --tpm2 --tpmstate %s --createek --create-ek-cert --config %s/setup.conf "
             "--pcr-banks sha256 --overwrite >%s/setup.log 2>&1",
             t->dir, t->dir, t->dir);
    must(system(command) == 0, "swtpm_setup failed");
}

/* Issuer, then root, whose key is kept as the anchor. */
static void keep_chain(swtpm *t)
{
    bl_auto_buf   pem = BL_BUF_EMPTY;
    char          path[128];
    bl_auto_chain chain = BL_CHAIN_EMPTY;
    snprintf(path, sizeof path, "%s/issuer.pem", t->dir);
    must(bl_file_read(path, 65536, &pem, NULL) == BLIND_OK, path);
    snprintf(path, sizeof path, "%s/swtpm-localca-rootca-cert.pem", t->dir);
    must(bl_file_read(path, 65536, &pem, NULL) == BLIND_OK, path);
    must(bl_chain_add(&chain, bl_buf_span(&pem), NULL) == BLIND_OK, "no certificates");
    bl_buf_add(&t->root_spki, bl_x509_spki(chain.certs[chain.len - 1]));
    snprintf(t->chain, sizeof t->chain, "%s/chain.pem", t->dir);
    must(bl_file_write_atomic(t->chain, bl_buf_span(&pem), 0600, NULL) == BLIND_OK, t->chain);
}

static bool listens(int port)
{
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool               there = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0;
    close(fd);
    return there;
}

/* Whoever connects to its command port is its only client, so the control port is asked. */
static void run(swtpm *t)
{
    char state[96], server[64], control[64];
    snprintf(state, sizeof state, "dir=%s", t->dir);
    snprintf(server, sizeof server, "type=tcp,port=%d", t->port);
    snprintf(control, sizeof control, "type=tcp,port=%d", t->port + 1);
    t->pid = fork();
    must(t->pid >= 0, "fork");
    if (t->pid == 0) {
        sigset_t none; /* a server in this process may have blocked SIGTERM */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        dup2(null, 1);
        dup2(null, 2);
        execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server,
               "--ctrl", control, "--flags", "startup-clear", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 200 && !listens(t->port + 1); i++)
        nanosleep(&(struct timespec){ .tv_nsec = 25000000 }, NULL);
}

bool swtpm_start(swtpm *t)
{
    *t = (swtpm){ 0 };
    if (!has_program("swtpm") || !has_program("swtpm_setup") || !has_program("swtpm_localca")) {
        printf("skipped: no swtpm\n");
        return false;
    }
    strcpy(t->dir, "/tmp/blind-swtpm-XXXXXX");
    must(mkdtemp(t->dir) != NULL, "mkdtemp");
    make_state(t);
    keep_chain(t);
    t->port = free_ports();
    snprintf(t->tcti, sizeof t->tcti, "swtpm:host=127.0.0.1,port=%d", t->port);
    run(t);
    return true;
}

static void end(swtpm *t)
{
    int status;
    kill(t->pid, SIGTERM);
    must(waitpid(t->pid, &status, 0) == t->pid, "waitpid");
}

void swtpm_restart(swtpm *t)
{
    end(t);
    run(t);
}

void swtpm_stop(swtpm *t)
{
    char command[128];
    if (!t->pid)
        return;
    end(t);
    bl_buf_done(&t->root_spki);
    snprintf(command, sizeof command, "rm -rf %s", t->dir);
    (void)!system(command);
}
