-- One row per file prefix of any program's course, the older prefixes of a renumbered course included.
with

courses as (
    select * from {{ ref('courses') }}
),

course_aliases as (
    select * from {{ ref('course_aliases') }}
),

final as (
    select
        program,
        course,
        file_prefix
    from courses
    union all
    select
        courses.program,
        courses.course,
        course_aliases.file_prefix
    from course_aliases
    inner join courses on course_aliases.course = courses.course
)

select * from final
