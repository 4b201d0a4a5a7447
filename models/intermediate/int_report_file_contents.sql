-- One row per file with rows: what they amount to, whatever else lies in the folder.
{{ config(materialized='incremental', pre_hook="{{ forget(is_new_file('file_id')) }}") }}

with

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where {{ is_new_file('file_id') }}
),

grade_report_err_rows as (
    select * from {{ ref('stg_edx__grade_report_err_rows') }}
    where {{ is_new_file('file_id') }}
),

damaged_rows as (
    select * from {{ source('edx', 'damaged_rows') }}
    where {{ is_new_file('file_id') }}
),

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
    where {{ is_new_file('file_id') }}
),

rows_by_reason as (
    select
        file_id,
        rejected_reason,
        is_of_learner,
        count(*) as row_count,
        min(line) as first_line,
        bool_or(enrollment_track in ('audit', 'honor')) as lists_auditors
    from report_rows
    group by file_id, rejected_reason, is_of_learner
    union all
    select
        file_id,
        null as rejected_reason,
        true as is_of_learner,
        count(distinct student_id) as row_count,
        min(line) as first_line,
        false as lists_auditors
    from grade_report_err_rows
    group by file_id
    union all
    select
        file_id,
        reason as rejected_reason,
        true as is_of_learner,
        count(*) as row_count,
        min(line) as first_line,
        false as lists_auditors
    from damaged_rows
    group by file_id, reason
),

files as (
    select
        file_id,
        coalesce(sum(row_count) filter (where rejected_reason is null), 0) as usable_row_count,
        coalesce(bool_or(lists_auditors) filter (where rejected_reason is null), false) as lists_auditors,
        coalesce(
            sum(row_count) filter (where rejected_reason is not null and is_of_learner), 0
        ) as unusable_row_count
    from rows_by_reason
    group by file_id
),

commonest as (
    select
        file_id,
        rejected_reason,
        first_line
    from rows_by_reason
    where rejected_reason is not null and is_of_learner
    qualify row_number() over (partition by file_id order by row_count desc, first_line asc) = 1
),

repeats as (
    select
        file_id,
        sum(row_count - 1) as repeat_count
    from repeated_rows
    group by file_id
),

final as (
    select
        files.file_id,
        files.usable_row_count - coalesce(repeats.repeat_count, 0) as learner_count,
        files.lists_auditors,
        files.unusable_row_count,
        commonest.rejected_reason as commonest_reason,
        commonest.first_line as commonest_reason_line
    from files
    left join commonest on files.file_id = commonest.file_id
    left join repeats on files.file_id = repeats.file_id
)

select * from final
