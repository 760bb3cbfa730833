// Compiles HLSL files with FXC, as wgpu does, and says of each how long it took; check.py runs it under wine.
//
//   compile.exe < list     one file a line: path, a tab, entry point
//
// Before a file it prints "begin", after it "end", the seconds, "ok" or "fail", and FXC's message in one line, with
// tabs between. A file that FXC never finishes leaves a "begin" without an "end".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <d3dcompiler.h>

// The only flag of wgpu-hal's compile_fxc where no debugger is asked for.
static const UINT FLAGS = D3DCOMPILE_ENABLE_STRICTNESS;
static const char *TARGET = "cs_5_1";

static double seconds(void) {
    LARGE_INTEGER now, frequency;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&frequency);
    return (double)now.QuadPart / (double)frequency.QuadPart;
}

static char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    *size = fread(text, 1, *size, file);
    fclose(file);
    return text;
}

static void print_line(const char *text, size_t size) {
    for (size_t i = 0; i < size && text[i]; i++) {
        char c = text[i];
        if (c == '\n') fputs(" | ", stdout);
        else if (c != '\r') putchar(c == '\t' ? ' ' : c);
    }
}

static void compile(pD3DCompile d3d_compile, const char *path, const char *entry) {
    size_t size = 0;
    char *source = read_file(path, &size);
    if (!source) {
        printf("end\t0\tfail\tcannot read %s\n", path);
        return;
    }
    // Messages begin with the name.
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    ID3DBlob *code = NULL, *messages = NULL;
    double start = seconds();
    HRESULT result = d3d_compile(source, size, name, NULL, NULL, entry, TARGET, FLAGS, 0, &code, &messages);
    double taken = seconds() - start;
    if (SUCCEEDED(result)) {
        printf("end\t%.2f\tok\t", taken);
    } else {
        printf("end\t%.2f\tfail\t%08lx ", taken, (unsigned long)result);
        if (messages) {
            print_line(messages->lpVtbl->GetBufferPointer(messages), messages->lpVtbl->GetBufferSize(messages));
        }
    }
    putchar('\n');
    if (code) code->lpVtbl->Release(code);
    if (messages) messages->lpVtbl->Release(messages);
    free(source);
}

int main(void) {
    HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
    pD3DCompile d3d_compile = library ? (pD3DCompile)(void *)GetProcAddress(library, "D3DCompile") : NULL;
    if (!d3d_compile) {
        fprintf(stderr, "no D3DCompile in d3dcompiler_47.dll\n");
        return 2;
    }
    char line[4096];
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        char *entry = strchr(line, '\t');
        if (!entry) continue;
        *entry++ = 0;
        printf("begin\n");
        fflush(stdout);
        compile(d3d_compile, line, entry);
        fflush(stdout);
    }
    return 0;
}
