-- One row per file with rows: what they amount to, whatever else lies in the folder.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_new_file('file_id')) }}") }}

with

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where {{ is_new_file('file_id') }}
),

grade_report_err as (
    select * from {{ source('edx', 'grade_report_err') }}
    where {{ is_new_file('file_id') }}
),

damaged_rows as (
    select * from {{ source('edx', 'damaged_rows') }}
    where {{ is_new_file('file_id') }}
),

rows_by_fault as (
    select
        file_id,
        fault,
        count(*) as row_count,
        count(*) filter (where is_usable) as learner_count,
        min(line) as first_line,
        bool_or(enrollment_track in ('audit', 'honor')) as lists_auditors
    from report_rows
    -- who is no learner counts neither for the file nor against it
    where is_of_learner
    group by file_id, fault
    union all
    select
        file_id,
        null as fault,
        count(*) as row_count,
        count(distinct student_id) as learner_count,
        min(line) as first_line,
        false as lists_auditors
    from grade_report_err
    group by file_id
    union all
    select
        file_id,
        reason as fault,
        count(*) as row_count,
        0 as learner_count,
        min(line) as first_line,
        false as lists_auditors
    from damaged_rows
    group by file_id, reason
),

files as (
    select
        file_id,
        sum(learner_count) as learner_count,
        coalesce(bool_or(lists_auditors) filter (where fault is null), false) as lists_auditors,
        coalesce(sum(row_count) filter (where fault is not null), 0) as unusable_row_count
    from rows_by_fault
    group by file_id
),

commonest as (
    select
        file_id,
        fault,
        first_line
    from rows_by_fault
    where fault is not null
    qualify row_number() over (partition by file_id order by row_count desc, first_line asc) = 1
),

final as (
    select
        files.file_id,
        files.learner_count,
        files.lists_auditors,
        files.unusable_row_count,
        commonest.fault as commonest_reason,
        commonest.first_line as commonest_reason_line
    from files
    left join commonest on files.file_id = commonest.file_id
)

select * from final
