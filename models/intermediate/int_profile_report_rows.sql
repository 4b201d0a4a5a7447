-- One row per record of a profile report; whose record it is may be a reason not to use it.
-- A table, as many models read it, and a text is slow to read as a number; names are in int_learner_sayings.
{{ config(materialized='incremental', pre_hook="{{ forget(is_new_file('file_id')) }}") }}

with

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
    where {{ is_new_file('file_id') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

final as (
    select
        profile_report_rows.file_id,
        profile_report_rows.line,
        profile_report_rows.line_count,
        profile_report_rows.student_id,
        profile_report_rows.file_name,
        profile_report_rows.reported_at,
        not_learners.student_id is null as is_of_learner,
        if(
            not_learners.student_id is null,
            profile_report_rows.rejected_reason,
            'not a learner (not_learners.csv)'
        ) as rejected_reason
    from profile_report_rows
    left join not_learners on profile_report_rows.student_id = not_learners.student_id
)

select * from final
