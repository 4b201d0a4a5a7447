-- One row per learner: how far, and what is next.
{{ config(materialized='incremental', pre_hook="{{ forget(is_touched('student_id')) }}") }}

with

learners as (
    select * from {{ ref('learners') }}
    where {{ is_touched('student_id') }}
),

this_program as (
    select * from {{ ref('this_program') }}
),

courses as (
    select * from {{ ref('this_program_courses') }}
),

learner_courses as (
    select * from {{ ref('learner_courses') }}
    where {{ is_touched('student_id') }}
),

counted as (
    select
        student_id,
        count(*) filter (where is_certificate_eligible) as no_certificate_eligible,
        count(*) filter (where ever_passed) as courses_passed,
        bool_or(best_grade > 0) as has_attempted,
        {{ joined("if(is_settled, ' ' || course || ' ', null)", "''", 'course') }} as settled_courses
    from learner_courses
    group by student_id
),

progressed as (
    select
        learners.student_id,
        coalesce(counted.no_certificate_eligible, 0)::integer as no_certificate_eligible,
        coalesce(counted.courses_passed, 0)::integer as courses_passed,
        coalesce(counted.has_attempted, false) as has_attempted,
        coalesce(counted.settled_courses, '') as settled_courses
    from learners
    left join counted on learners.student_id = counted.student_id
),

-- there are far fewer combinations of settled courses than learners
settled as (
    select distinct settled_courses
    from progressed
),

next_courses as (
    select
        settled.settled_courses,
        courses.course as next_course,
        coalesce(courses.title, courses.course) as next_course_title
    from settled
    inner join courses
        on
            not courses.is_capstone
            and not contains(settled.settled_courses, ' ' || courses.course || ' ')
    qualify row_number() over (partition by settled.settled_courses order by courses.position) = 1
),

staged as (
    select
        this_program.program,
        progressed.student_id,
        progressed.no_certificate_eligible,
        this_program.certificates_required,
        progressed.courses_passed,
        next_courses.next_course,
        next_courses.next_course_title,
        case
            when progressed.no_certificate_eligible >= this_program.certificates_required
                then 'series complete'
            when progressed.no_certificate_eligible + 1 = this_program.certificates_required then 'one to go'
            when progressed.courses_passed > 1 then 'on the way'
            when progressed.courses_passed = 1 then 'passed one'
            when progressed.has_attempted then 'attempted'
            else 'enrolled'
        end as stage
    from progressed
    cross join this_program
    left join next_courses on progressed.settled_courses = next_courses.settled_courses
),

final as (
    select
        program,
        student_id,
        no_certificate_eligible,
        courses_passed,
        next_course,
        stage,
        'passed ' || courses_passed || if(courses_passed = 1, ' course', ' courses')
        || ', ' || no_certificate_eligible || ' of ' || certificates_required || ' certificates'
        || case
            when stage = 'attempted' then '; has a grade above 0 in some course'
            when stage = 'enrolled' then '; has no grade above 0 yet'
            else ''
        end
        || '; '
        || coalesce('next is ' || next_course_title, 'no course of the series is left') as stage_reason
    from staged
)

select * from final
