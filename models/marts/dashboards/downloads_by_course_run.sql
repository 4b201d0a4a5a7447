-- One row per course run with a used download: how old its newest ones are, and what they lack.
with

report_files as (
    select * from {{ ref('report_files') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

runs as (
    select
        course,
        course_instance,
        max(reported_at) filter (where report_kind = 'grade_report') as grades_reported_at,
        max(reported_at) filter (where report_kind = 'student_profile_info') as profiles_reported_at,
        max(learners_gone) as learners_gone,
        max(certificates_gone) as certificates_gone
    from report_files
    where status = 'used' and course_instance is not null
    group by course, course_instance
),

final as (
    select
        runs.course,
        runs.course_instance,
        runs.grades_reported_at,
        runs.profiles_reported_at,
        {{ days_before('runs.grades_reported_at', 'this_program.as_of') }} as grades_days_old,
        {{ days_before('runs.profiles_reported_at', 'this_program.as_of') }} as profiles_days_old,
        coalesce(runs.learners_gone, 0) as learners_gone,
        coalesce(runs.certificates_gone, 0) as certificates_gone
    from runs
    cross join this_program
)

select * from final
