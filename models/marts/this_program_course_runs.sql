-- One row per course of the program, role that a run of it has now, and run.
{{ config(alias='course_runs') }}

with

course_runs as (
    select * from {{ ref('course_runs') }}
),

this_program_courses as (
    select * from {{ ref('this_program_courses') }}
),

-- what one of a run's rows says of its days holds for all of them
run_dates as (
    select
        lower(course_instance) as run_key,
        max({{ iso_date('starts_on') }}) as starts_on,
        max({{ iso_date('ends_on') }}) as ends_on,
        max({{ iso_date('enrollment_ends_on') }}) as enrollment_ends_on,
        max({{ iso_date('upgrade_ends_on') }}) as upgrade_ends_on
    from course_runs
    group by lower(course_instance)
),

final as (
    select
        course_runs.course,
        course_runs.run_role,
        course_runs.course_instance,
        course_runs.title,
        course_runs.link,
        run_dates.starts_on,
        run_dates.ends_on,
        run_dates.enrollment_ends_on,
        run_dates.upgrade_ends_on
    from course_runs
    inner join this_program_courses on course_runs.course = this_program_courses.course
    inner join run_dates on lower(course_runs.course_instance) = run_dates.run_key
    where course_runs.run_role in ('current', 'coming')
)

select * from final
