-- One row per learner: how far, and what is next.
with

learners as (
    select * from {{ ref('learners') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
),

counted as (
    select
        student_id,
        count(*) filter (where is_certificate_eligible) as no_certificate_eligible,
        count(*) filter (where ever_passed) as courses_passed,
        bool_or(best_grade > 0) as has_attempted,
        list(course) filter (where is_settled) as settled_courses,
    from learner_courses
    group by student_id
),

next_courses as (
    select
        learners.student_id,
        min_by(courses.course, courses.position) as next_course,
        min_by(courses.title, courses.position) as next_course_title,
    from learners
    left join counted on learners.student_id = counted.student_id
    inner join courses
        on
            not courses.is_capstone
            and not coalesce(list_contains(counted.settled_courses, courses.course), false)
    group by learners.student_id
),

staged as (
    select
        this_program.program,
        learners.student_id,
        coalesce(counted.no_certificate_eligible, 0)::integer as no_certificate_eligible,
        this_program.certificates_required,
        coalesce(counted.courses_passed, 0)::integer as courses_passed,
        next_courses.next_course,
        next_courses.next_course_title,
        case
            when counted.no_certificate_eligible >= this_program.certificates_required then 'series complete'
            when counted.no_certificate_eligible = this_program.certificates_required - 1 then 'one to go'
            when counted.courses_passed > 1 then 'on the way'
            when counted.courses_passed = 1 then 'passed one'
            when counted.has_attempted then 'attempted'
            else 'enrolled'
        end as stage,
    from learners
    cross join this_program
    left join counted on learners.student_id = counted.student_id
    left join next_courses on learners.student_id = next_courses.student_id
),

final as (
    select
        program,
        student_id,
        no_certificate_eligible,
        courses_passed,
        next_course,
        stage,
        concat(
            'passed ', courses_passed, if(courses_passed = 1, ' course', ' courses'), ', ',
            no_certificate_eligible, ' of ', certificates_required, ' certificates',
            case
                when stage = 'attempted' then '; has a grade above 0 in some course'
                when stage = 'enrolled' then '; has no grade above 0 yet'
            end,
            '; ', coalesce('next is ' || next_course_title, 'no course of the series is left')
        ) as stage_reason,
    from staged
)

select * from final
