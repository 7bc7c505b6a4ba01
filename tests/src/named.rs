//! A program whose kernels have names only through the runtime: it registers host functions and launches them, and
//! the driver sees handles that nobody looked up.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const DRIVER: &str = "
int cuInit(unsigned flags) { __asm__ volatile(\"\"); return flags == 99; }
int cuLaunchKernel(void *f, unsigned a, unsigned b, unsigned c, unsigned d, unsigned e, unsigned g,
                   unsigned shared, void *stream, void **p, void **x)
{ __asm__ volatile(\"\"); return f == 0; }
";

const RUNTIME: &str = "
typedef struct { unsigned x, y, z; } dim3;
int cuLaunchKernel(void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **,
                   void **);
void __cudaRegisterFunction(void **h, const char *host, char *device, const char *name, int limit, void *a, void *b,
                            void *c, void *d, int *e)
{ __asm__ volatile(\"\"); }
int cudaLaunchKernel(const void *host, dim3 grid, dim3 block, void **args, unsigned long shared, void *stream)
{ return cuLaunchKernel((char *)host + 0x100000, 1, 1, 1, 1, 1, 1, 0, stream, args, 0) + 0 * (grid.x + block.x); }
";

const PROGRAM: &str = "
#include <stdio.h>
#include <string.h>
#include <unistd.h>
typedef struct { unsigned x, y, z; } dim3;
void __cudaRegisterFunction(void **, const char *, char *, const char *, int, void *, void *, void *, void *, int *);
int cudaLaunchKernel(const void *, dim3, dim3, void **, unsigned long, void *);
int cuInit(unsigned);
void decode_stub(void) { __asm__ volatile(\"\"); }
void prefill_stub(void) { __asm__ volatile(\"nop\"); }
int main(void)
{
	char line[16], name[600];
	dim3 one = { 1, 1, 1 };
	memset(name, 'n', sizeof(name));
	memcpy(name, \"decode_gemm\", 11);
	name[299] = 0;
	cuInit(0);
	__cudaRegisterFunction(0, (char *)decode_stub, 0, name, -1, 0, 0, 0, 0, 0);
	__cudaRegisterFunction(0, (char *)prefill_stub, 0, \"prefill_attention\", -1, 0, 0, 0, 0, 0);
	puts(\"READY\"); fflush(stdout);
	if (!fgets(line, sizeof(line), stdin)) return 1;
	for (int i = 0; i < 600; i++) {
		cudaLaunchKernel((void *)decode_stub, one, one, 0, 0, 0);
		cudaLaunchKernel((void *)prefill_stub, one, one, 0, 0, 0);
		usleep(10000);
	}
	puts(\"DONE\"); fflush(stdout);
	return !!fgets(line, sizeof(line), stdin);
}
";

/// Builds it in a folder, with the runtime as a library or linked into it.
#[must_use]
pub fn build(folder: &Path, static_runtime: bool) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let (driver, runtime, program) =
        (write("driver.c", DRIVER), write("runtime.c", RUNTIME), write("program.c", PROGRAM));
    let compile = |product: &str, args: &[&std::ffi::OsStr]| {
        let mut command = Command::new("cc");
        command.args(["-O1", "-fPIC", "-fno-omit-frame-pointer", "-fno-optimize-sibling-calls"]);
        command
            .arg("-o")
            .arg(folder.join(product))
            .args(args)
            .arg("-L")
            .arg(folder)
            .arg("-Wl,-rpath,$ORIGIN");
        if product == "program" {
            command.args(if static_runtime {
                &["-l:libcuda.so.1"][..]
            } else {
                &["-l:libcudart.so.13", "-l:libcuda.so.1"]
            });
        } else if product == "libcudart.so.13" {
            command.arg("-l:libcuda.so.1");
        }
        assert!(command.status().unwrap().success(), "{product}");
    };
    compile("libcuda.so.1", &["-shared".as_ref(), "-Wl,-soname,libcuda.so.1".as_ref(), driver.as_os_str()]);
    if static_runtime {
        compile("program", &[program.as_os_str(), runtime.as_os_str()]);
    } else {
        let soname = "-Wl,-soname,libcudart.so.13".as_ref();
        compile("libcudart.so.13", &["-shared".as_ref(), soname, runtime.as_os_str()]);
        compile("program", &[program.as_os_str()]);
    }
    folder.join("program")
}
