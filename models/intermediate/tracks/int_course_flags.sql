-- One row per course of the program. Its flag is a binary digit of its own, so that the sum of several
-- courses' flags tells which they are: what holds for a learner's courses holds for all who have the same.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

final as (
    select
        course,
        position,
        coalesce(title, course) as title,
        is_capstone,
        is_offered,
        power(2, row_number() over (order by position) - 1)::bigint as flag
    from courses
)

select * from final
