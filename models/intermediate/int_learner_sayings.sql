-- One row per usable row of any report: what it says of who a learner is.
with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
),

not_learners as (
    select * from {{ ref('int_not_learners') }}
),

readable_rows as (
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
),

final as (
    select readable_rows.*
    from readable_rows
    anti join not_learners on readable_rows.student_id = not_learners.student_id
)

select * from final
