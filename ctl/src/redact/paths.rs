//! Files, folders and cgroups: each part by itself, so that what lay in one place still does.

use super::{Names, kept};

/// Digits of a container's id.
const ID_DIGITS: usize = 64;

/// Folder and name of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// A program, library or other mapped file. The name of a public one stays, its folder does not.
pub(super) fn file(names: &mut Names, path: &str) -> String {
    let (folder, name) = split(path);
    let name = if kept::is_public(name) { name.to_owned() } else { names.of("module", name) };
    if path.contains('/') {
        let folder = if folder.is_empty() { String::new() } else { names.of("folder", folder) };
        format!("{folder}/{name}")
    } else {
        name
    }
}

/// A cgroup's path: as deep as it was, containers and pods still seen as such.
pub(super) fn cgroup(names: &mut Names, path: &str) -> String {
    path.split('/').map(|part| self::part(names, part)).collect::<Vec<_>>().join("/")
}

fn part(names: &mut Names, part: &str) -> String {
    if part.is_empty() || kept::is_cgroup(part) {
        return part.to_owned();
    }
    let suffix = [".service", ".scope", ".slice"].into_iter().find(|s| part.ends_with(s)).unwrap_or_default();
    let stem = part.strip_suffix(suffix).unwrap_or(part);
    let (before, id) = stem.rsplit_once('-').map_or(("", stem), |(before, id)| (before, id));
    if is_id(id) && kept::is_runtime(before) {
        let dash = if before.is_empty() { "" } else { "-" };
        // The first digits are what people are shown.
        let id = names.shaped("container", id, |n| format!("{n:012x}{:052}", 0));
        return format!("{before}{dash}{id}{suffix}");
    }
    if let Some((before, uid)) = kept::pod(stem) {
        let uid =
            names.shaped("pod", &uid.replace('_', "-"), |n| format!("{n:08x}-0000-0000-0000-000000000000"));
        let uid = if suffix.is_empty() { uid } else { uid.replace('-', "_") };
        return format!("{before}{uid}{suffix}");
    }
    names.shaped("cgroup", part, |n| format!("cgroup-{n}{suffix}"))
}

fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use ingero_format::container::Placement;

    use super::*;

    #[test]
    fn folders_and_names_are_replaced_each_by_itself_and_public_names_stay() {
        let mut names = Names::default();
        let mut file = |path| super::file(&mut names, path);
        assert_eq!(file("/opt/acme/engine"), "folder-1/module-1");
        assert_eq!(file("/opt/acme/libcuda.so.1"), "folder-1/libcuda.so.1");
        assert_eq!(file("/home/ann/engine"), "folder-2/module-1");
        assert_eq!(file("/acme"), "/module-2");
        assert_eq!(file("acme"), "module-2");
        assert_eq!(file(""), "");
        assert_eq!(file("[vdso]"), "[vdso]");
    }

    #[test]
    fn what_runs_in_a_container_pod_or_service_still_does_under_another_name() {
        let mut names = Names::default();
        let id = "9f".repeat(32);
        let pod = "/kubepods.slice/kubepods-burstable.slice/\
                   kubepods-burstable-pod12345678_1234_1234_1234_1234567890ab.slice/cri-containerd-";
        let path = cgroup(&mut names, &format!("{pod}{id}.scope"));
        let place = Placement::of(&path);
        assert!(!path.contains("9f") && !path.contains("12345678"), "{path}");
        assert_eq!(place.short(), "container 000000000001");
        assert_eq!((place.runtime, place.qos), ("containerd", "burstable"));
        assert_eq!(place.pod_uid, "00000001-0000-0000-0000-000000000000");
        let bare = cgroup(&mut names, &format!("/docker/{id}"));
        assert_eq!(Placement::of(&bare).short(), "container 000000000001");
        assert_eq!(cgroup(&mut names, "/system.slice/acme.service"), "/system.slice/cgroup-1.service");
        assert_eq!(
            cgroup(&mut names, "/acme.slice/acme.service/w"),
            "/cgroup-2.slice/cgroup-1.service/cgroup-3"
        );
        assert_eq!(cgroup(&mut names, "/"), "/");
        let hidden = cgroup(&mut names, &format!("/acme-{id}.scope"));
        assert_eq!(hidden, "/cgroup-4.scope", "what stands before an id is not kept unless it is a runtime");
    }

    #[test]
    fn a_group_that_held_another_still_does() {
        let mut names = Names::default();
        let (outer, inner) = (cgroup(&mut names, "/pods/a"), cgroup(&mut names, "/pods/a/box"));
        assert!(inner.strip_prefix(&outer).is_some_and(|rest| rest.starts_with('/')), "{outer} {inner}");
        assert!(!cgroup(&mut names, "/pods/ab").starts_with(&format!("{outer}/")));
    }
}
