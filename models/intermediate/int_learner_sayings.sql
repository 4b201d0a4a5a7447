-- One row per usable row of any report: what it says of who a learner is.
with

grade_report_rows as (
    select * from {{ ref('int_grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('int_profile_report_rows') }}
),

final as (
    select
        file_id,
        line,
        student_id,
        username,
        email,
        name,
        country,
        reported_at
    from profile_report_rows
    where rejected_reason is null
    union all
    select
        file_id,
        line,
        student_id,
        username,
        email,
        null as name,
        null as country,
        reported_at
    from grade_report_rows
    where rejected_reason is null
)

select * from final
