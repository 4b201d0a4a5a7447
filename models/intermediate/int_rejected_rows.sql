-- One row per row of the program's reports that is not used, and why.
{{ config(materialized='table') }}

with

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

damaged_rows as (
    select * from {{ source('edx', 'damaged_rows') }}
),

report_rows as (
    select * from {{ ref('int_report_rows') }}
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
    from report_rows
    where not is_usable
),

final as (
    select
        report_files.file_id,
        report_files.file_name,
        -- where the row's text is still to be read; of who is no learner it is withheld, so nobody reads it
        if(rejected_rows.raw_text is null and rejected_rows.is_of_learner, report_files.path, null) as path,
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
