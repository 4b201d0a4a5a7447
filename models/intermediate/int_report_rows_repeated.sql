-- One row per report and learner that the report lists more than once; the last line is the one that counts.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_new_file('file_id')) }}") }}

with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
    where fault is null and {{ is_new_file('file_id') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
    where fault is null and {{ is_new_file('file_id') }}
),

rows_without_fault as (
    select
        file_id,
        student_id,
        line
    from grade_report_rows
    union all
    select
        file_id,
        student_id,
        line
    from profile_report_rows
),

final as (
    select
        file_id,
        student_id,
        max(line) as last_line
    from rows_without_fault
    group by file_id, student_id
    having count(*) > 1
)

select * from final
