//! The GPUs, by the driver's management library. It is loaded at run time and never touches CUDA.
//!
//! Its absence is normal. A driver that is unloaded or a GPU that falls off the bus makes every call fail; the
//! library is then left and looked for again.

use std::{ffi::OsStr, path::Path, thread, time::Duration};

use nvml_wrapper::{
    Device, Nvml,
    enum_wrappers::device::{Clock, TemperatureSensor},
    error::NvmlError,
};

use super::{GpuWatch, Outlet, Readings};
use crate::{clock, journal};

/// The name that every driver package installs; the one without number is only there for compilers.
const LIBRARY: &str = "libnvidia-ml.so.1";
/// Time between two attempts to load it.
const RETRY: Duration = Duration::from_secs(60);
/// Most GPUs asked: no host has more.
const MAX_GPUS: u32 = 64;

pub(super) fn run(library: &str, interval: Duration, outlet: &Outlet, watch: &mut GpuWatch) {
    let mut told = false;
    loop {
        match open(library) {
            Ok(nvml) => {
                let count = nvml.device_count().unwrap_or(0);
                journal::info(&format!("NVML: {count} GPUs are sampled"));
                told = false;
                while let Some(readings) = read(&nvml) {
                    watch(&readings);
                    if !outlet.send(clock::boot_ns(), readings) {
                        return;
                    }
                    thread::sleep(interval);
                }
                journal::warning("NVML no longer answers; GPU samples are tried again every minute");
            }
            Err(e) if !told => {
                told = true;
                journal::info(&format!("no GPU samples: {}", in_words(&e)));
            }
            Err(_) => {}
        }
        thread::sleep(RETRY);
    }
}

pub(crate) fn open(library: &str) -> Result<Nvml, NvmlError> {
    let library = if library.is_empty() { LIBRARY } else { library };
    Nvml::builder().lib_path(OsStr::new(Path::new(library))).init()
}

/// Why the library cannot be used, and what comes of it.
pub(crate) fn in_words(e: &NvmlError) -> String {
    let missing = matches!(e, NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound);
    if missing {
        format!(
            "no NVIDIA driver library here, as expected on a host without a GPU; clocks, throttling, power, memory and \
             utilisation of GPUs are not recorded, all else is; looked for again every minute (NVML: {e})"
        )
    } else {
        format!("NVML: {e}; tried again every minute")
    }
}

// `None` if there are GPUs and none answers.
fn read(nvml: &Nvml) -> Option<Readings> {
    let mut readings = Readings::default();
    let count = nvml.device_count().ok()?.min(MAX_GPUS);
    for index in 0..count {
        if let Ok(device) = nvml.device_by_index(index) {
            gpu(&device, index, &mut readings);
        }
    }
    (count == 0 || !readings.is_empty()).then_some(readings)
}

fn gpu(device: &Device<'_>, index: u32, readings: &mut Readings) {
    let (number, uuid) = (index.to_string(), device.uuid().unwrap_or_default());
    let labels = [("gpu", number.as_str()), ("uuid", uuid.as_str())];
    let mut put = |name: &str, value: Result<f64, NvmlError>| readings.maybe(name, &labels, value.ok());
    let busy = device.utilization_rates();
    put("gpu_utilization_percent", busy.as_ref().map(|u| u.gpu.into()).map_err(again));
    put("gpu_memory_utilization_percent", busy.map(|u| u.memory.into()));
    put("gpu_sm_clock_mhz", device.clock_info(Clock::SM).map(f64::from));
    put("gpu_memory_clock_mhz", device.clock_info(Clock::Memory).map(f64::from));
    put("gpu_throttle_reasons", device.current_throttle_reasons().map(|bits| bits.bits() as f64));
    put("gpu_power_watts", device.power_usage().map(|mw| f64::from(mw) / 1000.0));
    put("gpu_temperature_celsius", device.temperature(TemperatureSensor::Gpu).map(f64::from));
    let memory = device.memory_info();
    put("gpu_memory_used_bytes", memory.as_ref().map(|m| m.used as f64).map_err(again));
    put("gpu_memory_total_bytes", memory.map(|m| m.total as f64));
}

// The error itself is not shown: it only says that there is no number.
fn again(_: &NvmlError) -> NvmlError {
    NvmlError::Unknown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_or_is_none_is_an_error() {
        let away = in_words(&open("/nowhere/libnvidia-ml.so.1").err().unwrap());
        assert!(away.contains("expected on a host without a GPU") && away.contains("/nowhere/"), "{away}");
        assert!(!away.contains('\n'), "{away}");
        assert_eq!(in_words(&NvmlError::DriverNotLoaded).matches("expected").count(), 0);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"not a library").unwrap();
        assert!(open(file.path().to_str().unwrap()).is_err());
    }

    #[test]
    #[ignore = "needs a GPU; run it on a host with one"]
    fn every_gpu_of_this_host_tells_its_numbers() {
        let readings = read(&open("").unwrap()).unwrap();
        let found: Vec<(String, f64)> = readings.into_iter().collect();
        found.iter().for_each(|(name, value)| println!("{name} {value}"));
        for name in
            ["gpu_utilization_percent", "gpu_sm_clock_mhz", "gpu_throttle_reasons", "gpu_memory_used_bytes"]
        {
            assert!(
                found.iter().any(|(n, _)| n.starts_with(&format!("{name}{{gpu=\"0\",uuid=\"GPU-"))),
                "{name}"
            );
        }
    }
}
