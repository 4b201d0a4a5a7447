-- One row per row of seeds/courses.csv, as text.
with

courses as (
    select * from {{ ref('courses') }}
),

final as (
    select
        program,
        course,
        position,
        title,
        file_prefix,
        pass_grade,
        is_capstone,
        offered
    from courses
)

select * from final
