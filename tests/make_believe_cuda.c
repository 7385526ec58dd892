// A libcuda with one make-believe Hopper card (sm_90): memory is host memory, kernels do nothing. With it, a program built
// with the feature `cuda` goes through device set-up, NVRTC and module loading on a machine without a GPU, so that every
// kernel it launches is compiled; tests/nvrtc.sh does that. The PTX of every loaded module goes to $FAKE_CUDA_PTX.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
typedef int R; typedef uint64_t P;
static int modules, launches;
static void report(void) { fprintf(stderr, "fake CUDA: %d modules loaded, %d kernels launched (none run)\n", modules, launches); }
R cuInit(unsigned f) { atexit(report); return 0; }
R cuDriverGetVersion(int *v) { *v = 13000; return 0; }
R cuDeviceGetCount(int *n) { *n = 1; return 0; }
R cuDeviceGet(int *d, int i) { *d = 0; return i ? 101 : 0; }
R cuDeviceGetName(char *s, int n, int d) { snprintf(s, n, "NVIDIA H200"); return 0; }
R cuDeviceGetPCIBusId(char *s, int n, int d) { snprintf(s, n, "0000:01:00.0"); return 0; }
R cuDeviceGetUuid_v2(void *u, int d) { memset(u, 1, 16); return 0; }
R cuDeviceTotalMem_v2(size_t *n, int d) { *n = 143771ull << 20; return 0; }
R cuMemGetInfo_v2(size_t *f, size_t *t) { *f = *t = 143771ull << 20; return 0; }
R cuDeviceGetAttribute(int *v, int a, int d) {
  switch (a) {
    case 1: case 2: case 3: *v = 1024; break;
    case 4: *v = 64; break;
    case 5: *v = 2147483647; break;
    case 6: case 7: *v = 65535; break;
    case 8: *v = 49152; break;
    case 10: *v = 32; break;
    case 12: *v = 65536; break;
    case 16: *v = 132; break;
    case 39: *v = 2048; break;
    case 75: *v = 9; break;
    case 76: *v = 0; break;
    case 97: *v = 232448; break;
    case 115: *v = 1; break;
    default: *v = 0; fprintf(stderr, "fake CUDA: attribute %d asked\n", a);
  }
  return 0;
}
R cuDevicePrimaryCtxRetain(void **c, int d) { *c = (void *)16; return 0; }
R cuDevicePrimaryCtxRelease_v2(int d) { return 0; }
R cuCtxSetCurrent(void *c) { return 0; }
R cuCtxGetCurrent(void **c) { *c = (void *)16; return 0; }
R cuCtxGetStreamPriorityRange(int *l, int *g) { *l = 0; *g = -5; return 0; }
R cuCtxSynchronize(void) { return 0; }
R cuStreamCreate(void **s, unsigned f) { *s = (void *)32; return 0; }
R cuStreamCreateWithPriority(void **s, unsigned f, int p) { *s = (void *)32; return 0; }
R cuStreamDestroy_v2(void *s) { return 0; }
R cuStreamSynchronize(void *s) { return 0; }
R cuStreamQuery(void *s) { return 0; }
R cuStreamWaitEvent(void *s, void *e, unsigned f) { return 0; }
R cuEventCreate(void **e, unsigned f) { *e = (void *)48; return 0; }
R cuEventDestroy_v2(void *e) { return 0; }
R cuEventRecord(void *e, void *s) { return 0; }
R cuEventSynchronize(void *e) { return 0; }
R cuEventQuery(void *e) { return 0; }
R cuEventElapsedTime(float *ms, void *a, void *b) { *ms = 0.01f; return 0; }
R cuEventElapsedTime_v2(float *ms, void *a, void *b) { *ms = 0.01f; return 0; }
R cuMemAlloc_v2(P *p, size_t n) { void *m = NULL; if (posix_memalign(&m, 512, n)) return 2; *p = (P)m; return 0; }
R cuMemAllocAsync(P *p, size_t n, void *s) { return cuMemAlloc_v2(p, n); }
R cuMemFree_v2(P p) { free((void *)p); return 0; }
R cuMemFreeAsync(P p, void *s) { return cuMemFree_v2(p); }
R cuMemAllocHost_v2(void **p, size_t n) { *p = malloc(n); return 0; }
R cuMemFreeHost(void *p) { free(p); return 0; }
R cuMemcpyHtoDAsync_v2(P d, const void *h, size_t n, void *s) { memcpy((void *)d, h, n); return 0; }
R cuMemcpyDtoHAsync_v2(void *h, P d, size_t n, void *s) { memcpy(h, (void *)d, n); return 0; }
R cuMemcpyDtoDAsync_v2(P a, P b, size_t n, void *s) { memmove((void *)a, (void *)b, n); return 0; }
R cuMemsetD8Async(P d, unsigned char c, size_t n, void *s) { memset((void *)d, c, n); return 0; }
struct copy2d {
  size_t sx, sy; unsigned st; const void *sh; P sd; void *sa; size_t sp;
  size_t dx, dy; unsigned dt; void *dh; P dd; void *da; size_t dp;
  size_t w, h;
};
R cuMemcpy2DAsync_v2(const struct copy2d *c, void *s) {
  const char *a = c->st == 1 ? c->sh : (const char *)c->sd; char *b = c->dt == 1 ? c->dh : (char *)c->dd;
  for (size_t i = 0; i < c->h; i++) memcpy(b + (c->dy + i) * c->dp + c->dx, a + (c->sy + i) * c->sp + c->sx, c->w);
  return 0;
}
R cuModuleLoadData(void **m, const void *image) {
  char path[4096], *dir = getenv("FAKE_CUDA_PTX");
  *m = (void *)(uintptr_t)(64 + ++modules);
  if (dir) {
    snprintf(path, sizeof path, "%s/%05d.ptx", dir, modules);
    FILE *f = fopen(path, "w");
    if (f) { fputs(image, f); fclose(f); }
  }
  return 0;
}
R cuModuleGetFunction(void **f, void *m, const char *name) { *f = m; return 0; }
R cuModuleUnload(void *m) { return 0; }
R cuFuncSetAttribute(void *f, int a, int v) { return 0; }
R cuLaunchKernel(void *f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g, unsigned sh, void *s, void **p, void **x) { launches++; return 0; }
R cuLaunchKernelEx(void *c, void *f, void **p, void **x) { launches++; return 0; }
R cuTensorMapEncodeTiled(void *m) { memset(m, 0, 128); return 0; }
R cuTensorMapEncodeIm2col(void *m) { memset(m, 0, 128); return 0; }
R cuGetErrorName(R r, const char **s) { *s = "FAKE"; return 0; }
R cuGetErrorString(R r, const char **s) { *s = "fake"; return 0; }
// NVRTC itself asks for this one, and takes a refusal well.
R cuGetExportTable(const void **t, const void *id) { *t = NULL; return 500; }
