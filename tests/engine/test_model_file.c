/* Sealed model files: one copy that nothing changes, and every way in that is refused. */
#include "server/model_file.h"

#include "crypto/hash.h"
#include "server/registry.h"
#include "tests/engine/test_asking.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

TEST(model_file_is_hashed_from_its_copy)
{
    char           path[] = "/tmp/blind-model-XXXXXX";
    uint8_t        digest[32];
    bl_model_file *file;
    close(mkstemp(path));
    write_file(path, "words v1 0\none ");
    CHECK_CODE(BLIND_OK, bl_model_file_open(path, 100, &file, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_sha256(BL_LITERAL("words v1 0\none "), digest), "hash");
    assert_memory_equal(digest, file->sha256, 32);
    CHECK(bl_span_equal(file->bytes, BL_LITERAL("words v1 0\none ")));
    bl_model_file_release(file);
    unlink(path);
}

/* Longer than all rooms of the hashing thread together, and not a multiple of one. */
TEST(model_file_of_many_pieces_is_hashed_whole)
{
    enum { SIZE = 3000001 };
    char           path[] = "/tmp/blind-model-XXXXXX";
    uint8_t        digest[32], *bytes = malloc(SIZE);
    bl_model_file *file;
    assert_non_null(bytes);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    int fd = mkstemp(path);
    CHECK(fd >= 0 && write(fd, bytes, SIZE) == SIZE && close(fd) == 0);
    CHECK_CODE(BLIND_OK, bl_model_file_open(path, SIZE, &file, NULL), "open");
    CHECK_CODE(BLIND_OK, bl_sha256(bl_span(bytes, SIZE), digest), "hash");
    assert_memory_equal(digest, file->sha256, 32);
    CHECK(bl_span_equal(file->bytes, bl_span(bytes, SIZE)));
    bl_model_file_release(file);
    unlink(path);
    free(bytes);
}

TEST(model_file_cannot_be_written_any_more)
{
    bl_model_writer w;
    bl_model_file  *file;
    CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, 100, NULL), "init");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, BL_LITERAL("grind "), NULL), "add");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, BL_LITERAL("v1 1 1\n"), NULL), "add");
    CHECK_CODE(BLIND_OK, bl_model_writer_seal(&w, &file, NULL), "seal");
    CHECK(w.fd == -1);
    CHECK(pwrite(file->fd, "x", 1, 0) == -1 && errno == EPERM);
    CHECK(ftruncate(file->fd, 1) == -1 && ftruncate(file->fd, 1000) == -1);
    CHECK(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0) == MAP_FAILED);
    CHECK(bl_span_equal(file->bytes, BL_LITERAL("grind v1 1 1\n")));
    bl_model_file_release(file);
}

TEST(model_file_refusals)
{
    bl_model_file  *file;
    bl_model_writer w;
    blind_error     err;
    char            path[] = "/tmp/blind-model-XXXXXX";
    close(mkstemp(path));
    CHECK_CODE(BLIND_INPUT, bl_model_file_open(path, 100, &file, &err), "empty");
    assert_string_equal(err.message, "Received no data");
    write_file(path, "0123456789");
    CHECK_CODE(BLIND_LIMIT, bl_model_file_open(path, 9, &file, &err), "a byte too many");
    CHECK(file == NULL);
    unlink(path);
    CHECK_CODE(BLIND_NOT_FOUND, bl_model_file_open(path, 100, &file, &err), "no file");
    CHECK(strstr(err.message, "no such file"));
    CHECK_CODE(BLIND_IO, bl_model_file_open("/tmp", 100, &file, &err), "a folder");
    CHECK_CODE(BLIND_OK, bl_model_writer_init(&w, 5, NULL), "init");
    CHECK_CODE(BLIND_OK, bl_model_writer_add(&w, BL_LITERAL("01234"), NULL), "five");
    CHECK_CODE(BLIND_LIMIT, bl_model_writer_add(&w, BL_LITERAL("5"), NULL), "six");
    bl_model_writer_done(&w);
}

/* CHANNEL, "Host-owned things": the host changes the file after it was loaded. */
TEST(model_answers_as_loaded_when_its_file_changes)
{
    char         path[] = "/tmp/blind-model-XXXXXX";
    bl_executor *x;
    bl_registry *r;
    bl_loaded    loaded;
    bl_principal root = bl_principal_operator();
    bl_load      load = { .name = "m", .by = &root };
    close(mkstemp(path));
    write_file(path, "words v1 0\nhonest ");
    CHECK_CODE(BLIND_OK, bl_executor_new(&(bl_executor_options){ .threads = 1 }, &x, NULL), "x");
    CHECK_CODE(BLIND_OK,
               bl_registry_new(&(bl_registry_options){ .engines = test_engines }, &r, NULL), "r");
    CHECK_CODE(BLIND_OK, bl_registry_load_path(r, &load, path, &loaded, NULL), "load");
    for (int round = 0; round < 2; round++) {
        bl_model *model;
        asked     a;
        CHECK_CODE(BLIND_OK, bl_registry_resolve(r, "m", &model, NULL), "resolve");
        assert_memory_equal(model->sha256, loaded.sha256, 32);
        ask_new(&a, "ann", (bl_request_options){ .model = model }, 2);
        CHECK_CODE(BLIND_OK, bl_executor_submit(x, a.request, NULL), "submit");
        ask_wait(&a);
        assert_string_equal(a.text, "honest honest ");
        ask_done(&a);
        /* In place, so that a mapping of the file itself would see it; then cut to nothing. */
        int fd = open(path, O_WRONLY);
        CHECK(fd >= 0 && pwrite(fd, "words v1 0\nforged", 17, 0) == 17);
        CHECK(ftruncate(fd, 0) == 0);
        close(fd);
    }
    CHECK_CODE(BLIND_OK, bl_registry_unload(r, "m", &root, NULL), "unload");
    CHECK_CODE(BLIND_OK, bl_registry_reload(r, "m", &root, &loaded, NULL), "reload");
    bl_model *model;
    CHECK_CODE(BLIND_OK, bl_registry_resolve(r, "m", &model, NULL), "resolve");
    assert_memory_equal(model->sha256, loaded.sha256, 32);
    bl_model_release(model);
    bl_executor_free(x);
    bl_registry_free(r);
    unlink(path);
    CHECK(test_models_open == 0);
}

TESTS(RUN(model_file_is_hashed_from_its_copy), RUN(model_file_of_many_pieces_is_hashed_whole),
      RUN(model_file_cannot_be_written_any_more), RUN(model_file_refusals),
      RUN(model_answers_as_loaded_when_its_file_changes))
