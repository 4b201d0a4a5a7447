-- One row per row of the program's reports that is not used, and why.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

damaged_rows as (
    select * from {{ source('edx', 'damaged_rows') }}
),

grade_report_rows as (
    select * from {{ ref('int_grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('int_profile_report_rows') }}
),

repeated_rows as (
    select * from {{ ref('int_report_rows_repeated') }}
),

loaded_rows as (
    select
        file_id,
        line,
        line_count,
        student_id,
        is_of_learner,
        rejected_reason
    from grade_report_rows
    union all
    select
        file_id,
        line,
        line_count,
        student_id,
        is_of_learner,
        rejected_reason
    from profile_report_rows
),

rejected_rows as (
    select
        file_id,
        line,
        null as line_count,
        null as student_id,
        true as is_of_learner,
        reason,
        raw_text
    from damaged_rows
    union all
    select
        file_id,
        line,
        line_count,
        student_id,
        is_of_learner,
        rejected_reason as reason,
        null as raw_text
    from loaded_rows
    where rejected_reason is not null
    union all
    select
        loaded_rows.file_id,
        loaded_rows.line,
        loaded_rows.line_count,
        loaded_rows.student_id,
        true as is_of_learner,
        'line ' || repeated_rows.last_line || ' has the same learner, and the last line counts' as reason,
        null as raw_text
    from loaded_rows
    inner join repeated_rows
        on
            loaded_rows.file_id = repeated_rows.file_id
            and loaded_rows.student_id = repeated_rows.student_id
            and loaded_rows.line < repeated_rows.last_line
    where loaded_rows.rejected_reason is null
),

final as (
    select
        report_files.file_id,
        report_files.file_name,
        report_files.path,
        rejected_rows.line,
        rejected_rows.line_count,
        rejected_rows.student_id,
        rejected_rows.is_of_learner,
        rejected_rows.reason,
        rejected_rows.raw_text
    from rejected_rows
    inner join report_files on rejected_rows.file_id = report_files.file_id
    where report_files.status in ('used', 'superseded')
)

select * from final
