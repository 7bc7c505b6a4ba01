//! What stays: names that everybody has, beside those of [`names`] and [`ops`]. `docs/SECURITY.md` says it by kind.

use ingero_format::{names, ops};

/// Libraries that are public, without `.so` and version.
const LIBRARIES: [&str; 38] = [
    "ld-linux-x86-64",
    "libc",
    "libm",
    "libdl",
    "libpthread",
    "librt",
    "libgcc_s",
    "libstdc++",
    "libgomp",
    "libcuda",
    "libcudart",
    "libnvidia-ml",
    "libnvidia-ptxjitcompiler",
    "libnvidia-nvvm",
    "libnvrtc",
    "libnvrtc-builtins",
    "libnvJitLink",
    "libcupti",
    "libcublas",
    "libcublasLt",
    "libcudnn",
    "libcufft",
    "libcurand",
    "libcusolver",
    "libcusparse",
    "libcusparseLt",
    "libnccl",
    "libnvshmem_host",
    "libtorch",
    "libtorch_cpu",
    "libtorch_cuda",
    "libtorch_python",
    "libc10",
    "libc10_cuda",
    "libtriton",
    "libnvinfer",
    "libucp",
    "libibverbs",
];
/// Kernel threads, without the number of their CPU or node.
const KERNEL_THREADS: [&str; 16] = [
    "kthreadd",
    "ksoftirqd/",
    "migration/",
    "swapper/",
    "cpuhp/",
    "idle_inject/",
    "rcuop/",
    "rcuog/",
    "rcu_sched",
    "rcu_preempt",
    "kswapd",
    "kcompactd",
    "khugepaged",
    "kauditd",
    "khungtaskd",
    "oom_reaper",
];
/// Parts of cgroup paths that every host has.
const CGROUPS: [&str; 18] = [
    "init.scope",
    "system.slice",
    "user.slice",
    "machine.slice",
    "kubepods",
    "kubepods.slice",
    "burstable",
    "besteffort",
    "kubepods-burstable",
    "kubepods-besteffort",
    "kubepods-burstable.slice",
    "kubepods-besteffort.slice",
    "docker",
    "lxc",
    "podman",
    "containerd",
    "ingero-recorder.service",
    "..",
];
/// What stands before a container's id; nothing, too.
const RUNTIMES: [&str; 7] =
    ["", "cri-containerd", "libpod-payload", "containerd", "docker", "libpod", "crio"];
/// What stands before a pod's id.
const PODS: [&str; 4] = ["kubepods-burstable-pod", "kubepods-besteffort-pod", "kubepods-pod", "pod"];
/// Keys of labels.
const KEYS: [&str; 18] = [
    "resource",
    "mode",
    "gpu",
    "uuid",
    "cgroup",
    "event",
    "reason",
    "instance",
    "engine",
    "model_name",
    "quantile",
    "le",
    "request_id",
    "phase",
    "step",
    "epoch",
    "iteration",
    "rank",
];
/// Keys whose values stay if they are numbers.
const NUMBERED: [&str; 8] = ["gpu", "engine", "quantile", "le", "step", "epoch", "iteration", "rank"];
/// Keys with the values that stay.
const VALUES: [(&str, &[&str]); 5] = [
    ("resource", &["cpu", "memory", "io", "irq"]),
    ("mode", &["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"]),
    ("event", &["high", "max", "oom", "oom_kill"]),
    ("reason", &names::REFUSALS),
    ("phase", &["ttft", "prefill", "decode"]),
];
/// Letters before and behind the digits of a GPU's model, of its memory and its socket.
const GPU_SERIES: [&str; 16] =
    ["", "A", "B", "H", "K", "L", "M", "P", "T", "V", "GB", "GH", "HBM", "GDDR", "SXM", "RTX"];
const GPU_VARIANTS: [&str; 7] = ["", "GB", "MB", "D", "S", "X", "e"];
/// Other words of models of GPUs.
const GPU_WORDS: [&str; 14] = [
    "NVIDIA",
    "Tesla",
    "Quadro",
    "GeForce",
    "RTX",
    "GTX",
    "TITAN",
    "PCIe",
    "NVL",
    "Ti",
    "SUPER",
    "Ada",
    "Generation",
    "Graphics",
];
/// Words of the sentences that recorder and reader write.
const WORDS: &str = "a all allocations and are asked at available been before belongs block budget bytes bundle \
    call calls checksum closed committed copies count cut damaged dictionary differs drained ends events file first \
    for frame from further had head header holds if impossible in index is it its joined kept last launches left \
    less manifest missing newest newer no not nothing of open other out overhead part past reasons recorded recorder \
    rows salt segment segments short slots symbols than that the their there they thread times time to torn trailer \
    triggers unfinished user waits was went were when while window with within without wrong";
/// Units behind a number.
const UNITS: [&str; 12] = ["ns", "us", "ms", "s", "min", "h", "B", "KiB", "MiB", "GiB", "TiB", "%"];

/// A file that everybody has.
pub(super) fn is_public(name: &str) -> bool {
    let version = |rest: &str| rest.chars().all(|c| c.is_ascii_digit() || c == '.');
    if ["[vdso]", "[vsyscall]", "[heap]", "[stack]"].contains(&name) {
        return true;
    }
    match name.split_once(".so") {
        Some((stem, rest)) => {
            version(rest)
                && (LIBRARIES.contains(&stem) || stem.strip_prefix("libpython").is_some_and(version))
        }
        None => name.strip_prefix("python").is_some_and(version),
    }
}

/// A thread of Linux itself. A program may take such a name too; it says nothing then.
pub(super) fn is_of_linux(comm: &str) -> bool {
    if let Some(place) = comm.strip_prefix("kworker/") {
        return place.chars().all(|c| c.is_ascii_digit() || "uHRI:".contains(c));
    }
    KERNEL_THREADS.contains(&comm.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// A function of Linux: an identifier. Programs loaded into it have names of their authors.
pub(super) fn is_kernel_symbol(symbol: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    symbol.chars().all(plain) && !symbol.starts_with("bpf_prog_")
}

/// A part of a cgroup's path.
pub(super) fn is_cgroup(part: &str) -> bool {
    CGROUPS.contains(&part)
}

/// What stands before a container's id.
pub(super) fn is_runtime(before: &str) -> bool {
    RUNTIMES.contains(&before)
}

/// What stands before a pod's id, and the id: 32 hexadecimal digits, in groups or not.
pub(super) fn pod(stem: &str) -> Option<(&str, &str)> {
    let (before, uid) = PODS.iter().find_map(|pod| stem.strip_prefix(pod).map(|uid| (*pod, uid)))?;
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let only = uid.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-' || b == b'_');
    (digits == 32 && only).then_some((before, uid))
}

/// An operation.
pub(super) fn is_operation(name: &str) -> bool {
    ops::OPS.iter().any(|op| op.name == name)
}

/// A kind of trigger.
pub(super) fn is_trigger(kind: &str) -> bool {
    names::TRIGGERS.contains(&kind)
}

/// A type of machine, or none.
pub(super) fn is_machine(machine: &str) -> bool {
    ["", "x86_64", "aarch64"].contains(&machine)
}

/// A model of a GPU.
pub(super) fn is_gpu(model: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit();
    let size = |word: &str| {
        let (series, variant) = (word.split(digit).next(), word.rsplit(digit).next());
        let (series, variant) = (series.unwrap_or_default(), variant.unwrap_or_default());
        let number = word.strip_prefix(series).and_then(|rest| rest.strip_suffix(variant));
        number.is_some_and(|n| !n.is_empty() && n.len() <= 4 && n.chars().all(digit))
            && GPU_SERIES.contains(&series)
            && GPU_VARIANTS.contains(&variant)
    };
    let word = |word: &str| GPU_WORDS.contains(&word) || size(word);
    model.starts_with("NVIDIA ") && model.split([' ', '-']).all(word)
}

/// A version: numbers and dots.
pub(super) fn is_version(version: &str) -> bool {
    version.chars().all(|c| c.is_ascii_digit() || c == '.')
}

/// An address, or none.
pub(super) fn is_hexadecimal(address: &str) -> bool {
    let digits = address.strip_prefix("0x").unwrap_or(address);
    digits.len() <= 16 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The name of a series.
pub(super) fn is_metric(name: &str) -> bool {
    names::is_sampled(name)
}

/// The key of a label.
pub(super) fn is_key(key: &str) -> bool {
    KEYS.contains(&key)
}

/// The value of a label.
pub(super) fn is_label(key: &str, value: &str) -> bool {
    let number = |c: char| c.is_ascii_digit() || ".+-e".contains(c);
    let is_number = value == "+Inf" || (value.len() <= 24 && value.chars().all(number));
    VALUES.iter().any(|(of, values)| *of == key && values.contains(&value))
        || (NUMBERED.contains(&key) && is_number)
}

/// A word of the recorder's or the reader's sentences, a number, a unit, or an operation.
pub(super) fn is_said(word: &str) -> bool {
    let bare = word.trim_end_matches([':', ',', ';', '.']);
    let is_number = bare.chars().all(|c| c.is_ascii_digit() || c == ',' || c == '.');
    is_number || UNITS.contains(&bare) || is_operation(bare) || WORDS.split_whitespace().any(|w| w == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_files_are_told_by_their_whole_name() {
        for name in
            ["libcuda.so.1", "libc.so.6", "libtorch_cuda.so", "libpython3.11.so.1.0", "python3.12", "python"]
        {
            assert!(is_public(name), "{name}");
        }
        for name in
            ["libcuda.so.1-acme", "libacme.so", "libcuda", "python-acme", "acme.so", "", "libpythonacme.so"]
        {
            assert!(!is_public(name), "{name}");
        }
    }

    #[test]
    fn threads_of_linux_are_told_by_their_whole_name() {
        for name in ["kworker/u8:2", "kworker/3:1H", "ksoftirqd/12", "kswapd0", "rcu_preempt", "migration/7"]
        {
            assert!(is_of_linux(name), "{name}");
        }
        for name in ["kworker/u8:acme", "ksoftirqd/acme", "acme", "", "kswapd0-acme", "7"] {
            assert!(!is_of_linux(name), "{name}");
        }
    }

    #[test]
    fn models_of_gpus_stay_and_other_words_do_not() {
        for model in ["NVIDIA H100 80GB HBM3", "NVIDIA GeForce RTX 4090", "NVIDIA A100-SXM4-40GB"] {
            assert!(is_gpu(model), "{model}");
        }
        for model in
            ["NVIDIA acme", "acme 1", "", "NVIDIA ACM100", "NVIDIA 0acme0", "NVIDIA GPU-6f1d2a34-aaaa"]
        {
            assert!(!is_gpu(model), "{model}");
        }
    }
}
