// Compiles HLSL files with FXC or DXC, as wgpu does, and says of each how long it took; check.py runs it under wine.
//
//   compile.exe fxc < list    one file a line: path, a tab, entry point
//   compile.exe dxc < list
//
// Before a file it prints "begin", after it "end", the processor's seconds, "ok" or "fail", and the compiler's message
// in one line, with tabs between. A file that the compiler never finishes leaves a "begin" without an "end".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <d3dcompiler.h>

// The only flag of wgpu-hal's compile_fxc where no debugger is asked for.
static const UINT FLAGS = D3DCOMPILE_ENABLE_STRICTNESS;

// What mingw's headers lack of dxcapi.h.
static const GUID CLSID_COMPILER = {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID IID_COMPILER = {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID IID_RESULT = {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
typedef struct {
    const void *text;
    SIZE_T size;
    UINT encoding;
} DxcBuffer;
typedef struct DxcResult DxcResult;
typedef struct {
    HRESULT(WINAPI *query_interface)(DxcResult *, const GUID *, void **);
    ULONG(WINAPI *add_ref)(DxcResult *);
    ULONG(WINAPI *release)(DxcResult *);
    HRESULT(WINAPI *get_status)(DxcResult *, HRESULT *);
    HRESULT(WINAPI *get_result)(DxcResult *, ID3DBlob **);
    HRESULT(WINAPI *get_error_buffer)(DxcResult *, ID3DBlob **);
} DxcResultMethods;
struct DxcResult {
    DxcResultMethods *methods;
};
typedef struct DxcCompiler DxcCompiler;
typedef struct {
    HRESULT(WINAPI *query_interface)(DxcCompiler *, const GUID *, void **);
    ULONG(WINAPI *add_ref)(DxcCompiler *);
    ULONG(WINAPI *release)(DxcCompiler *);
    HRESULT(WINAPI *compile)(DxcCompiler *, const DxcBuffer *, const WCHAR **, UINT, void *, const GUID *, DxcResult **);
} DxcCompilerMethods;
struct DxcCompiler {
    DxcCompilerMethods *methods;
};
typedef HRESULT(WINAPI *DxcCreateInstance)(const GUID *, const GUID *, void **);

static pD3DCompile fxc;
static DxcCompiler *dxc;

// Of the processor, so that what else the machine does is no part of them.
static double seconds(void) {
    FILETIME begun, ended, kernel, user;
    GetProcessTimes(GetCurrentProcess(), &begun, &ended, &kernel, &user);
    ULARGE_INTEGER parts[2] = {{.LowPart = kernel.dwLowDateTime, .HighPart = kernel.dwHighDateTime},
                               {.LowPart = user.dwLowDateTime, .HighPart = user.dwHighDateTime}};
    return (double)(parts[0].QuadPart + parts[1].QuadPart) / 1e7;
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

static HRESULT compile_fxc(const char *name, const char *source, size_t size, const char *entry, ID3DBlob **messages) {
    ID3DBlob *code = NULL;
    HRESULT result = fxc(source, size, name, NULL, NULL, entry, "cs_5_1", FLAGS, 0, &code, messages);
    if (code) code->lpVtbl->Release(code);
    return result;
}

// With the arguments of wgpu-hal's compile_dxc; what DXC says is an error there, whatever it is.
static HRESULT compile_dxc(const char *source, size_t size, const char *entry, ID3DBlob **messages) {
    WCHAR wide[256];
    MultiByteToWideChar(CP_UTF8, 0, entry, -1, wide, 256);
    const WCHAR *arguments[] = {L"-E", wide, L"-T", L"cs_6_0", L"-HV", L"2018", L"-no-warnings", L"-Ges"};
    DxcBuffer buffer = {source, size, CP_UTF8};
    DxcResult *made = NULL;
    UINT count = sizeof arguments / sizeof *arguments;
    HRESULT result = dxc->methods->compile(dxc, &buffer, arguments, count, NULL, &IID_RESULT, &made);
    if (FAILED(result)) return result;
    HRESULT status = E_FAIL;
    made->methods->get_status(made, &status);
    made->methods->get_error_buffer(made, messages);
    if (SUCCEEDED(status) && *messages && (*messages)->lpVtbl->GetBufferSize(*messages) > 1) status = E_FAIL;
    made->methods->release(made);
    return status;
}

static void compile(const char *path, const char *entry) {
    size_t size = 0;
    char *source = read_file(path, &size);
    if (!source) {
        printf("end\t0\tfail\tcannot read %s\n", path);
        return;
    }
    // Messages begin with the name.
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    ID3DBlob *messages = NULL;
    double start = seconds();
    HRESULT result = dxc ? compile_dxc(source, size, entry, &messages) : compile_fxc(name, source, size, entry, &messages);
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
    if (messages) messages->lpVtbl->Release(messages);
    free(source);
}

static void open_fxc(void) {
    HMODULE library = LoadLibraryA("d3dcompiler_47.dll");
    fxc = library ? (pD3DCompile)(void *)GetProcAddress(library, "D3DCompile") : NULL;
}

static void open_dxc(void) {
    HMODULE library = LoadLibraryA("dxcompiler.dll");
    DxcCreateInstance create = library ? (DxcCreateInstance)(void *)GetProcAddress(library, "DxcCreateInstance") : NULL;
    if (create && FAILED(create(&CLSID_COMPILER, &IID_COMPILER, (void **)&dxc))) dxc = NULL;
}

int main(int count, char **arguments) {
    if (count == 2 && !strcmp(arguments[1], "dxc")) open_dxc();
    else open_fxc();
    if (!fxc && !dxc) {
        fprintf(stderr, "neither D3DCompile in d3dcompiler_47.dll nor a compiler in dxcompiler.dll\n");
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
        compile(line, entry);
        fflush(stdout);
    }
    return 0;
}
