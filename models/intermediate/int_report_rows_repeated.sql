-- One row per report and learner that the report lists more than once; the last line is the one that counts.
{{ config(materialized='incremental', pre_hook="{{ forget(is_new_file('file_id')) }}") }}

with

grade_report_rows as (
    select * from {{ ref('int_grade_report_rows') }}
    where {{ is_new_file('file_id') }}
),

profile_report_rows as (
    select * from {{ ref('int_profile_report_rows') }}
    where {{ is_new_file('file_id') }}
),

readable_rows as (
    select
        file_id,
        student_id,
        line
    from grade_report_rows
    where rejected_reason is null
    union all
    select
        file_id,
        student_id,
        line
    from profile_report_rows
    where rejected_reason is null
),

final as (
    select
        file_id,
        student_id,
        max(line) as last_line,
        count(*) as row_count
    from readable_rows
    group by file_id, student_id
    having count(*) > 1
)

select * from final
