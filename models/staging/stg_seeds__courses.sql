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
        -- spreadsheets write TRUE
        lower(is_capstone) as is_capstone,
        lower(offered) as offered
    from courses
)

select * from final
