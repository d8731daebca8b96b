/* Connects to a server, lets it prove itself, prints the verdict, and only then asks.
 *
 *     cc verify.c -o verify $(pkg-config --cflags --libs blind)
 *     ./verify localhost 50051 policy.toml */
#include <blind/client.h>
#include <blind/policy.h>

#include <stdio.h>
#include <stdlib.h>

static int fail(const blind_error *err)
{
    fprintf(stderr, "%s: %s\n", blind_code_exception(err->code), err->message);
    return blind_code_exit(err->code);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s HOST PORT POLICY\n", argv[0]);
        return 2;
    }
    blind_error   err = { 0 };
    blind_policy *policy;
    if (blind_policy_load_file(argv[3], &policy, &err) != BLIND_OK)
        return fail(&err);

    /* The simulated TEE protects nothing; without `simulation` its evidence is refused. */
    blind_client_options options = { .dial = { .host = argv[1],
                                               .port = (uint16_t)atoi(argv[2]),
                                               .policy = policy,
                                               .simulation = true } };
    blind_client        *client;
    blind_code           code = blind_client_open(&options, &client, NULL, &err);
    blind_policy_free(policy);
    if (code != BLIND_OK)
        return fail(&err); /* nothing but the request for evidence was sent */

    char *verdict = blind_client_verdict_text(client), *models = NULL;
    fputs(verdict ? verdict : "", stdout);
    if (blind_client_index(client, &models, &err) == BLIND_OK)
        printf("models: %s\n", models);
    else
        code = err.code;
    free(models);
    free(verdict);
    blind_client_close(client);
    return code == BLIND_OK ? 0 : fail(&err);
}
