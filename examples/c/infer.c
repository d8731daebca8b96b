/* Runs a model on a server that proved itself:  ./infer https://localhost:50051 policy.toml digits
 */
#include <blind/client.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    blind_error          err = { 0 };
    blind_client_options options = { .dial.simulation = true }; /* leave out on hardware */
    blind_client        *client = NULL;
    blind_outputs        out = { 0 };
    float                image[64] = { 0 };
    blind_tensor         in = {
                .dtype = BLIND_F32, .rank = 4, .shape = { 1, 1, 8, 8 }, .data = image, .size = sizeof image
    };
    if (argc != 4)
        return 2;
    if (blind_policy_load_file(argv[2], &options.dial.policy, &err) == BLIND_OK &&
        blind_client_open_url(argv[1], &options, &client, NULL, &err) == BLIND_OK && /* verified */
        blind_client_infer(client, argv[3], &in, 1, &out, &err) == BLIND_OK)
        printf("%s[0] = %f\n", out.tensors[0].name, (double)((float *)out.tensors[0].data)[0]);
    else
        fprintf(stderr, "%s: %s\n", blind_code_exception(err.code), err.message);
    blind_outputs_done(&out);
    blind_client_close(client);
    blind_policy_free(options.dial.policy);
    return blind_code_exit(err.code);
}
