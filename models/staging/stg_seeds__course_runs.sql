-- One row per row of seeds/course_runs.csv, as text.
with

course_runs as (
    select * from {{ ref('course_runs') }}
),

final as (
    select
        course,
        run_role,
        course_instance,
        title,
        link,
        year,
        term,
        starts_on,
        ends_on,
        enrollment_ends_on,
        upgrade_ends_on
    from course_runs
)

select * from final
