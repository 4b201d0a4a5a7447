-- One row per usable row of any report: what it says of who a learner is.
with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
),

judged_grade_report_rows as (
    select * from {{ ref('int_grade_report_rows') }}
),

judged_profile_report_rows as (
    select * from {{ ref('int_profile_report_rows') }}
),

-- to find out again here which rows they are would take longer than all else
unusable_rows as (
    select
        file_id,
        line
    from judged_grade_report_rows
    where rejected_reason is not null
    union all
    select
        file_id,
        line
    from judged_profile_report_rows
    where rejected_reason is not null
),

all_rows as (
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
),

final as (
    select all_rows.*
    from all_rows
    anti join unusable_rows on all_rows.file_id = unusable_rows.file_id and all_rows.line = unusable_rows.line
)

select * from final
