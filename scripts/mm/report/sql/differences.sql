-- One row: how many results and runs are why numbers differ from edX's own.
with

runs as (
    select
        *,
        certificate_eligible - verified_passed as not_verified
    from course_run_summary
)

select
    coalesce(sum(not_verified) filter (where calls_auditors_eligible), 0)::bigint as early_eligible,
    count(*) filter (where calls_auditors_eligible and not_verified > 0) as early_runs,
    coalesce(sum(not_verified) filter (where not calls_auditors_eligible), 0)::bigint as other_eligible,
    coalesce(sum(unenrolled), 0)::bigint as unenrolled,
    count(*) filter (where not tells_who_left) as silent_runs,
    count(*) filter (where lists_verified_only) as verified_only_runs,
    coalesce(bool_or(passed > attempted), false) as has_allowlisted
from runs
