//! Failures that the next start repeats: whatever the run needs is not there or does not fit, and is
//! so again a second later. Nobody is helped by another start before somebody has mended it.

/// Syndromes and why a restart does not help.
const REPEATS: &[(&str, &str)] = &[
    ("import_error", "a module that is missing now is missing at the next start"),
    ("version_mismatch", "the installed versions do not change by themselves"),
    ("toolchain_missing", "the compiler is not installed by another start"),
    ("extension_build_failed", "the extension fails to build at the next start too"),
    ("command_missing", "the program is not there at the next start either"),
    ("container_failed", "the container cannot be made at the next start either"),
    ("environment_broken", "the environment stays broken until somebody mends it"),
    ("shape_mismatch", "model and checkpoint have the same shapes at the next start"),
    ("device_mismatch", "the code puts the tensors on the same devices again"),
    ("dtype_mismatch", "the code gives the tensors the same types again"),
    ("autograd_error", "the code is the same at the next start"),
    ("argument_error", "the arguments are the same at the next start"),
    ("config_error", "the config is the same at the next start"),
    ("pickling_failed", "the code is the same at the next start"),
    ("recursion_limit", "the code is the same at the next start"),
    ("dataset_missing", "a file that is missing now is missing at the next start"),
    ("dataset_empty", "the data is empty at the next start too"),
    ("dataset_corrupt", "the data is as corrupt at the next start"),
    ("encoding_error", "the data is the same at the next start"),
    ("tokenizer_failed", "the tokenizer is the same at the next start"),
    ("checksum_mismatch", "the file is the same at the next start"),
    ("checkpoint_missing", "the checkpoint is missing at the next start too"),
    ("checkpoint_corrupt", "it would resume from the same broken checkpoint"),
    ("checkpoint_untrusted", "the checkpoint is refused at the next start too"),
    ("checkpoint_write_failed", "the next checkpoint cannot be written either"),
    ("disk_full", "the disk is full at the next start too"),
    ("disk_quota", "the quota is used up at the next start too"),
    ("disk_low", "the disk is nearly full at the next start too"),
    ("file_too_large", "the limit on file sizes is the same at the next start"),
    ("permission_denied", "the rights are the same at the next start"),
    ("access_refused", "the access is refused at the next start too"),
    ("cuda_unavailable", "the GPUs are not there at the next start either"),
    ("driver_not_loaded", "the driver is not loaded by another start"),
    ("driver_version_mismatch", "the machine has to be started anew first"),
    ("driver_too_old", "the driver is as old at the next start"),
    ("gpu_arch_unsupported", "the GPU is the same at the next start"),
    ("gpu_missing", "the GPU is missing at the next start too"),
    ("gpu_fell_off_bus", "the card does not come back before the machine is started anew"),
    ("illegal_instruction", "the processor is the same at the next start"),
    ("slurm_submit_rejected", "the request is the same at the next start"),
];

/// Why a restart does not help against a syndrome; `None` where it may.
pub fn repeats(syndrome: &str) -> Option<&'static str> {
    REPEATS.iter().find(|(id, _)| *id == syndrome).map(|(_, why)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::playbook::explanation;

    #[test]
    fn every_failure_that_repeats_is_one_of_the_playbook() {
        for (id, why) in REPEATS {
            assert!(explanation(id).is_some(), "{id}");
            assert!(!why.ends_with('.'), "{why}: it stands within a sentence");
        }
        assert_eq!(repeats("nccl_timeout"), None);
    }
}
