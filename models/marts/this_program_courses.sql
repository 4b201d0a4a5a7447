-- One row per course of the program.
{{ config(alias='courses') }}

with

courses as (
    select * from {{ ref('courses') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

final as (
    select
        courses.program,
        courses.course,
        {{ whole_number('courses.position') }}::integer as position,
        courses.title,
        courses.file_prefix,
        {{ decimal_number('courses.pass_grade') }} as pass_grade,
        -- spreadsheets write TRUE
        lower(courses.is_capstone) = 'true' as is_capstone,
        coalesce(lower(courses.offered), 'true') = 'true' as is_offered
    from courses
    inner join this_program on courses.program = this_program.program
)

select * from final
