//! What a cgroup path says about the container, pod and unit of a process.
//!
//! There is no rule that all runtimes follow: paths depend on the runtime, on its cgroup driver (systemd or
//! cgroupfs), on the cgroup version, and on what runs inside what. Of nested containers the innermost is meant.

/// Where a process runs; a text is empty where the path does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Id of the innermost container, or its name where the runtime has only that.
    pub container: String,
    /// `docker`, `containerd`, `cri-o`, `podman`, `lxc`, `nspawn`; empty if the path fits several.
    pub runtime: &'static str,
    /// Uid of the Kubernetes pod, with dashes.
    pub pod_uid: String,
    /// Kubernetes' class of service: `guaranteed`, `burstable`, `besteffort`.
    pub qos: &'static str,
    /// The innermost systemd service or scope, else slice, as systemd writes it.
    pub unit: String,
}

/// Prefixes of a scope or folder that is a container, longest first.
const PREFIXES: [(&str, &str); 6] = [
    ("cri-containerd-", "containerd"),
    ("libpod-payload-", "podman"),
    ("containerd-", "containerd"),
    ("docker-", "docker"),
    ("libpod-", "podman"),
    ("crio-", "cri-o"),
];
/// Digits of a container's id that people are shown.
const SHORT_ID: usize = 12;
/// Digits of a full container id.
const ID_DIGITS: usize = 64;

impl Placement {
    /// The container in short, else the service; empty if the path names neither.
    #[must_use]
    pub fn short(&self) -> String {
        match self.container.get(..SHORT_ID).unwrap_or(&self.container) {
            "" if self.unit.ends_with(".service") => self.unit.clone(),
            "" => String::new(),
            container => format!("container {container}"),
        }
    }

    /// Reads a path as in the third field of `/proc/PID/cgroup` (cgroups(7)).
    #[must_use]
    pub fn of(path: &str) -> Self {
        let mut found = Self::default();
        let (mut parent, mut slice, mut pods) = ("", "", false);
        for part in path.split('/').filter(|part| !part.is_empty()) {
            // `slice:runtime:id`: a systemd path that was given to a runtime that makes folders.
            let (own, named) = match part.split(':').collect::<Vec<_>>().as_slice() {
                [slice, runtime, id] => (*slice, Some(format!("{runtime}-{id}"))),
                _ => (part, None),
            };
            pods |= own.starts_with("kubepods") || own.contains("-kubepods");
            if pods {
                found.pod(own);
            }
            if let Some((container, runtime)) = container(named.as_deref().unwrap_or(part), parent) {
                (found.container, found.runtime) = (container, runtime);
            }
            if part.ends_with(".service") || part.ends_with(".scope") {
                part.clone_into(&mut found.unit);
            } else if part.ends_with(".slice") {
                slice = part;
            }
            parent = part;
        }
        if found.unit.is_empty() {
            slice.clone_into(&mut found.unit);
        }
        found
    }

    // `kubepods-burstable-pod1234….slice`, or `pod1234…` in a folder of its class.
    fn pod(&mut self, part: &str) {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        if let Some(class) = ["burstable", "besteffort"].into_iter().find(|class| {
            name == *class || name.ends_with(&format!("-{class}")) || name.contains(&format!("-{class}-pod"))
        }) {
            self.qos = class;
        }
        let uid = name.strip_prefix("pod").or_else(|| name.rsplit_once("-pod").map(|(_, uid)| uid));
        if let Some(uid) = uid.map(|uid| uid.replace('_', "-")).filter(|uid| is_uid(uid)) {
            self.pod_uid = uid;
            if self.qos.is_empty() {
                self.qos = "guaranteed";
            }
        }
    }
}

/// Of the lines of `/proc/PID/cgroup` the path that says most: one with a container, else that of version 2,
/// else the longest.
#[must_use]
pub fn path_of(lines: &str) -> &str {
    let paths = || lines.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    let unified = || lines.lines().find_map(|line| line.strip_prefix("0::")).filter(|path| path.len() > 1);
    // The last of equally long ones is the first hierarchy that was mounted.
    let contained = paths().filter(|path| !Placement::of(path).container.is_empty());
    contained
        .max_by_key(|path| path.len())
        .or_else(unified)
        .or_else(|| paths().max_by_key(|path| path.len()))
        .unwrap_or_default()
}

fn container(part: &str, parent: &str) -> Option<(String, &'static str)> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, runtime) in PREFIXES {
        if let Some(id) = name.strip_prefix(prefix).filter(|id| is_id(id)) {
            return Some((id.to_owned(), runtime));
        }
    }
    if is_id(name) {
        return Some((name.to_owned(), if parent == "docker" { "docker" } else { "" }));
    }
    if is_task(name) {
        return Some((name.to_owned(), ""));
    }
    let lxc = name
        .strip_prefix("lxc.payload.")
        .or_else(|| ["lxc", "lxc.payload"].contains(&parent).then_some(name));
    if let Some(name) = lxc {
        return Some((name.to_owned(), "lxc"));
    }
    let machine = part.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service"));
    machine.map(|name| (name.to_owned(), "nspawn"))
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && is_hex(text)
}

// 32 digits, a dash, a decimal number: a container of a managed task, which has no other id.
fn is_task(text: &str) -> bool {
    text.split_once('-').is_some_and(|(task, number)| {
        task.len() == 32 && is_hex(task) && number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit())
    })
}

// A UUID, or the 32 digits of a pod that a node was given as a file.
fn is_uid(text: &str) -> bool {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    (groups == [8, 4, 4, 4, 12] || groups == [32]) && text.split('-').all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const INNER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    const UID: &str = "12345678-9abc-def0-1234-56789abcdef0";

    /// Path, container, runtime, pod, class, unit. `ID`, `INNER`, `UID` and `U_ID` stand for ids.
    const PATHS: &[(&str, &str, &str, &str, &str, &str)] = &[
        ("/", "", "", "", "", ""),
        ("/init.scope", "", "", "", "", "init.scope"),
        ("/system.slice/sshd.service", "", "", "", "", "sshd.service"),
        ("/system.slice/system-getty.slice/getty@tty1.service", "", "", "", "", "getty@tty1.service"),
        ("/user.slice/user-1000.slice/session-3.scope", "", "", "", "", "session-3.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-ghostty-9.scope",
            "",
            "",
            "",
            "",
            "app-ghostty-9.scope",
        ),
        ("/machine.slice", "", "", "", "", "machine.slice"),
        // Docker: cgroupfs driver, systemd driver, a parent of one's own, rootless.
        ("/docker/ID", "ID", "docker", "", "", ""),
        ("/system.slice/docker-ID.scope", "ID", "docker", "", "", "docker-ID.scope"),
        ("/batch.slice/docker-ID.scope", "ID", "docker", "", "", "docker-ID.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-ID.scope",
            "ID",
            "docker",
            "",
            "",
            "docker-ID.scope",
        ),
        ("/docker/ID/system.slice/inner.service", "ID", "docker", "", "", "inner.service"),
        // Kubernetes, systemd driver, version 1 or 2, each class.
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_ID.slice/cri-containerd-ID.scope",
            "ID",
            "containerd",
            "UID",
            "burstable",
            "cri-containerd-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podU_ID.slice/crio-ID.scope",
            "ID",
            "cri-o",
            "UID",
            "besteffort",
            "crio-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/cri-containerd-ID.scope",
            "ID",
            "containerd",
            "UID",
            "guaranteed",
            "cri-containerd-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/crio-ID.scope/container",
            "ID",
            "cri-o",
            "UID",
            "guaranteed",
            "crio-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/docker-ID.scope",
            "ID",
            "docker",
            "UID",
            "guaranteed",
            "docker-ID.scope",
        ),
        (
            "/kubepods.slice/kubepods-podU_ID.slice/crio-conmon-ID.scope",
            "",
            "",
            "UID",
            "guaranteed",
            "crio-conmon-ID.scope",
        ),
        // Kubernetes, cgroupfs driver: the runtime does not show.
        ("/kubepods/burstable/podUID/ID", "ID", "", "UID", "burstable", ""),
        ("/kubepods/besteffort/podUID/ID", "ID", "", "UID", "besteffort", ""),
        ("/kubepods/podUID/ID", "ID", "", "UID", "guaranteed", ""),
        (
            "/kubepods/burstable/pod0123456789abcdef0123456789abcdef/ID",
            "ID",
            "",
            "0123456789abcdef0123456789abcdef",
            "burstable",
            "",
        ),
        // A systemd path given to a runtime that makes folders.
        (
            "/system.slice/containerd.service/kubepods-burstable-podU_ID.slice:cri-containerd:ID",
            "ID",
            "containerd",
            "UID",
            "burstable",
            "containerd.service",
        ),
        ("/system.slice:docker:ID", "ID", "docker", "", "", ""),
        // A cluster in a container; a container in a pod.
        (
            "/docker/ID/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-podU_ID.slice/cri-containerd-INNER.scope",
            "INNER",
            "containerd",
            "UID",
            "besteffort",
            "cri-containerd-INNER.scope",
        ),
        ("/kubepods/burstable/podUID/ID/docker/INNER", "INNER", "docker", "UID", "burstable", ""),
        ("/kubelet/kubepods/podUID/ID", "ID", "", "UID", "guaranteed", ""),
        // Podman: rootful, rootless, in a service, with the payload apart.
        ("/machine.slice/libpod-ID.scope", "ID", "podman", "", "", "libpod-ID.scope"),
        ("/machine.slice/libpod-ID.scope/container", "ID", "podman", "", "", "libpod-ID.scope"),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
            "ID",
            "podman",
            "",
            "",
            "libpod-ID.scope",
        ),
        ("/system.slice/web.service/libpod-payload-ID", "ID", "podman", "", "", "web.service"),
        ("/libpod_parent/libpod-ID", "ID", "podman", "", "", ""),
        ("/machine.slice/libpod-conmon-ID.scope", "", "", "", "", "libpod-conmon-ID.scope"),
        // Tasks of a managed service.
        ("/ecs/my-cluster/0123456789abcdef0123456789abcdef/ID", "ID", "", "", "", ""),
        (
            "/ecs/0123456789abcdef0123456789abcdef/0123456789abcdef0123456789abcdef-2531612879",
            "0123456789abcdef0123456789abcdef-2531612879",
            "",
            "",
            "",
            "",
        ),
        // System containers.
        ("/lxc/build-7", "build-7", "lxc", "", "", ""),
        ("/lxc.payload.web/system.slice/nginx.service", "web", "lxc", "", "", "nginx.service"),
        (
            "/machine.slice/systemd-nspawn@deb12.service/payload",
            "deb12",
            "nspawn",
            "",
            "",
            "systemd-nspawn@deb12.service",
        ),
        ("/machine.slice/machine-qemu\\x2d1\\x2dvm.scope", "", "", "", "", "machine-qemu\\x2d1\\x2dvm.scope"),
        // Batch systems are units like others.
        ("/system.slice/slurmstepd.scope/job_17/step_0/user/task_0", "", "", "", "", "slurmstepd.scope"),
        // Seen from another cgroup namespace.
        ("/../../kubepods/podUID/ID", "ID", "", "UID", "guaranteed", ""),
        // Not what they look like.
        ("/docker/0123", "", "", "", "", ""),
        ("/docker-desktop/x.slice", "", "", "", "", "x.slice"),
        ("/podUID/x", "", "", "", "", ""),
        ("/kubepods/podnonsense/x", "", "", "", "", ""),
        ("/a:b:c", "", "", "", "", ""),
    ];

    fn filled(text: &str) -> String {
        let text = text.replace("INNER", INNER).replace("U_ID", &UID.replace('-', "_"));
        text.replace("UID", UID).replace("ID", ID)
    }

    #[test]
    fn paths_of_the_field_say_what_they_mean() {
        assert!(PATHS.len() >= 25);
        for (path, container, runtime, pod, qos, unit) in PATHS {
            let expected = Placement {
                container: filled(container),
                runtime,
                pod_uid: filled(pod),
                qos,
                unit: filled(unit),
            };
            assert_eq!(Placement::of(&filled(path)), expected, "{path}");
        }
    }

    #[test]
    fn of_several_hierarchies_the_one_that_names_a_container_is_taken() {
        let docker = filled("/docker/ID");
        let first_version = format!(
            "4:memory:{docker}\n2:cpu,cpuacct:{docker}\n1:name=systemd:{docker}\n0::/system.slice/containerd.service\n"
        );
        assert_eq!(path_of(&first_version), docker);
        assert_eq!(path_of("0::/system.slice/a.service\n"), "/system.slice/a.service");
        assert_eq!(path_of("2:cpu:/\n1:name=systemd:/user.slice/u.scope\n0::/\n"), "/user.slice/u.scope");
        assert_eq!(path_of("0::/a:b\n"), "/a:b");
        assert_eq!(path_of("nonsense"), "");
        assert_eq!(path_of(""), "");
    }

    proptest::proptest! {
        #[test]
        fn no_path_makes_it_panic(path in "(/|pod|kubepods|docker|-|:|\\.scope|\\.slice|[0-9a-f]{32}|[0-9a-f]{64}|é|\\PC){0,12}") {
            let found = Placement::of(&path);
            proptest::prop_assert!(found.container.is_empty() || path.contains(&found.container));
            let _ = path_of(&path);
        }
    }

    #[test]
    fn an_id_has_all_its_digits_and_nothing_else() {
        let task = "0123456789abcdef0123456789abcdef";
        for (part, is) in [
            (ID.to_owned(), true),
            (ID.replace('a', "g"), false),
            (ID[1..].to_owned(), false),
            (format!("{task}-1234567890"), true),
            (format!("{task}-12345"), false),
            (format!("{}-1234567890", &task[1..]), false),
            (format!("{}-1234567890", task.replace('a', "g")), false),
            (format!("{task}-12345678x0"), false),
        ] {
            assert_eq!(!Placement::of(&format!("/docker/{part}")).container.is_empty(), is, "{part}");
        }
    }

    #[test]
    fn in_short_it_is_the_container_else_the_service_else_nothing() {
        let short = |path: &str| Placement::of(path).short();
        assert_eq!(short(&format!("/docker/{ID}")), "container 0123456789ab");
        assert_eq!(short("/system.slice/vllm.service"), "vllm.service");
        assert_eq!(short("/user.slice/user-0.slice/session-1.scope"), "");
    }
}
