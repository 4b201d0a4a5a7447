-- One row per report and learner that the report lists more than once; the last line is the one that counts.
{{ config(materialized='incremental', pre_hook="{{ forget(is_new_file('file_id')) }}") }}

with

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where {{ is_new_file('file_id') }}
),

final as (
    select
        file_id,
        student_id,
        max(line) as last_line,
        count(*) as row_count
    from report_rows
    where rejected_reason is null
    group by file_id, student_id
    having count(*) > 1
)

select * from final
